# docs/validation.md: not part of a run, and not of `all`. `snakemake validation --cores 2` makes it.

from validate.contents import FIGURES as VALIDATION_FIGURES


rule validation:
    input:
        standins=f"{workflow.basedir}/config/standins.yaml",
    output:
        page="docs/validation.md",
        figures=[f"docs/validation/{name}" for name in VALIDATION_FIGURES],
    log:
        log_of("validation"),
    benchmark:
        benchmark_of("validation")
    conda:
        "../envs/singlehit.yaml"
    threads: 2
    resources:
        mem_mb=growing(6000),
        runtime=growing(30),
    params:
        source=source_digest("validate.page"),
    message:
        "every check of the simulation, and docs/validation.md"
    script:
        "../scripts/report/validation.py"
