# What the run took: after all else.


rule cost:
    input:
        PAGES,
        template=workflow.source_path("../../report/cost/page.html.j2"),
        style=workflow.source_path("../../report/style.css.j2"),
    output:
        report(
            FILES.cost,
            category="Report",
            caption="../report/cost.rst",
            labels={"table": "cost"},
        ),
        report(
            FILES.cost_page,
            category="Report",
            caption="../report/cost.rst",
            labels={"page": "cost"},
        ),
        provenance=FILES.cost.with_suffix(".json"),
    log:
        log_of("cost"),
    benchmark:
        benchmark_of("cost")
    localrule: True
    conda:
        "../envs/singlehit.yaml"
    params:
        source=source_digest("evaluate.run.benchmarks", "report.cost.page"),
    message:
        "what the run took"
    script:
        "../scripts/report/cost.py"
