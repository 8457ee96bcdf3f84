# Networks that find hits: prepared frames -> trainings and their predictions -> tables -> figures and the page.

from evaluate.sfx.outputs import (
    FIGURES,
    TABLES as FIND_TABLES,
    features_file,
    page_file,
    predictions_file,
    prepared_file,
)
from train.models.hit_finding.registry import hit_digest

LEARNING = SFX.learning
FOUND = [
    predictions_file(FILES, dataset, system)
    for system in LEARNING.systems
    for dataset in SFX.datasets
]


wildcard_constraints:
    system="|".join(LEARNING.systems),


rule sfx_prepare:
    input:
        FILES.card("{dataset}"),
    output:
        prepared_file(FILES, "{dataset}"),
    log:
        log_of("sfx_prepare/{dataset}"),
    benchmark:
        benchmark_of("sfx_prepare/{dataset}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(
            lambda wildcards, input, threads: SNAKEMAKE_MB
            + PROCESS_MB
            + 2 * prepared_mb(wildcards.dataset)
        ),
        runtime=growing(120),
    params:
        settings=[
            LEARNING.model_dump(mode="json")["preprocessing"],
            sorted(
                {
                    (system.preprocessing or "", system.takes)
                    for system in LEARNING.systems.values()
                }
            ),
        ],
        source=source_digest("evaluate.sfx.prepared"),
    message:
        "dataset {wildcards.dataset}: frames as networks take them"
    script:
        "../../scripts/sfx/prepare.py"


rule sfx_find:
    input:
        expand(prepared_file(FILES, "{dataset}"), dataset=SFX.datasets),
        base_of,
    output:
        predictions_file(FILES, "{dataset}", "{system}"),
    log:
        log_of("sfx_find/{dataset}/{system}"),
    benchmark:
        benchmark_of("sfx_find/{dataset}/{system}")
    conda:
        "../../envs/singlehit.yaml"
    threads: network_threads(LEARNING, len(FOUND), most=8)
    resources:
        mem_mb=growing(find_mb),
        runtime=growing(find_minutes),
        gpu=gpus(LEARNING),
    params:
        settings=find_settings,
        source=lambda wildcards: hit_digest(
            LEARNING.systems[wildcards.system].network, "evaluate.sfx.experiments"
        ),
    message:
        "{wildcards.system}: trained on {wildcards.dataset}, evaluated on all datasets"
    script:
        "../../scripts/sfx/find.py"


rule sfx_tables:
    input:
        predictions=FOUND,
        prepared=expand(prepared_file(FILES, "{dataset}"), dataset=SFX.datasets),
        peaks=expand(PEAKS, dataset=SFX.datasets),
    output:
        tables=[FILES.table(name) for name in FIND_TABLES],
        features=features_file(FILES),
    log:
        log_of("sfx_tables"),
    benchmark:
        benchmark_of("sfx_tables")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(
            lambda wildcards, input, threads: SNAKEMAKE_MB
            + PROCESS_MB
            + 2 * sum(map(prepared_mb, SFX.datasets))
        ),
        runtime=growing(60),
    params:
        source=source_digest("evaluate.sfx.gathered"),
    message:
        "tables of all systems that find hits"
    script:
        "../../scripts/sfx/tables.py"


rule sfx_page:
    input:
        tables=[FILES.table(name) for name in FIND_TABLES],
        features=features_file(FILES),
    output:
        figures=[FILES.figure(name) for name in FIGURES],
        page=report(page_file(FILES), category="Report"),
    log:
        log_of("sfx_page"),
    benchmark:
        benchmark_of("sfx_page")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        title=RUN.title,
        source=source_digest("report.sfx.page"),
    message:
        "the page about hit finding"
    script:
        "../../scripts/sfx/page.py"


grows_with(
    "sfx_find",
    lambda job: sum(
        LEARNING.labels[name].train for name in LEARNING.systems[job.system].labels
    ),
    kind=lambda job: LEARNING.systems[job.system].network,
    epochs=lambda job: LEARNING.systems[job.system].recipe.epochs,
)
