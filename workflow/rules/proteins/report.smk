# Figures and the report.


rule shown:
    input:
        cards=expand(FILES.card("{dataset}"), dataset=SIMULATION.datasets),
        geometries=expand(FILES.geometry("{dataset}"), dataset=SIMULATION.datasets),
        records=files_of(STRUCTURES, FILES.structure),
    output:
        tables=[
            report(
                FILES.table(name),
                category="Results",
                caption=f"../../report/{name}.rst",
                labels={"table": name},
            )
            for name in SHOWN
        ],
        provenance=[FILES.table(name).with_suffix(".json") for name in SHOWN],
        examples=expand(FILES.examples("{dataset}"), dataset=SIMULATION.datasets),
    log:
        log_of("shown"),
    benchmark:
        benchmark_of("shown")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        source=source_digest("evaluate.classification.shown"),
    message:
        "what figures show of the patterns"
    script:
        "../../scripts/evaluate/shown.py"


grows_with("shown", len(SIMULATION.datasets))


rule figures:
    input:
        examples=expand(FILES.examples("{dataset}"), dataset=SIMULATION.datasets),
        tables=[FILES.table(name) for name in [*SHOWN, *TABLES]],
    output:
        [
            report(
                FILES.figure(name),
                category="Figures",
                caption="../../report/figure.rst",
                labels={"figure": name},
            )
            for name in figure_names(RUN)
        ],
    log:
        log_of("figures"),
    benchmark:
        benchmark_of("figures")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        source=source_digest("report.classification.draw"),
    message:
        "figures of the patterns and of what was learned"
    script:
        "../../scripts/report/figures.py"


grows_with("figures", len(figure_names(RUN)))


rule report:
    input:
        tables=[FILES.table(name) for name in [*SHOWN, *TABLES]],
        provenance=[FILES.table("cnn").with_suffix(".json")] if RUN.training else [],
        figures=[FILES.figure(name) for name in figure_names(RUN)],
        structures=files_of(STRUCTURES, FILES.structure),
        volumes=sorted(
            {path for name in SIMULATION.datasets for path in volumes_of(name)}
        ),
        geometries=expand(
            FILES.geometry_record("{dataset}"), dataset=SIMULATION.datasets
        ),
        cards=expand(FILES.card("{dataset}"), dataset=SIMULATION.datasets),
        template=workflow.source_path("../../../report/classification/page.html.j2"),
        parts=[
            workflow.source_path(
                f"../../../report/classification/parts/{name}.html.j2"
            )
            for name in PAGE_PARTS
        ],
        style=workflow.source_path("../../../report/style.css.j2"),
    output:
        report(
            FILES.report,
            category="Report",
            caption="../../report/report.rst",
            labels={"page": "report"},
        ),
    log:
        log_of("report"),
    benchmark:
        benchmark_of("report")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        title=RUN.title,
        source=source_digest("report.classification.page"),
    message:
        "the report"
    script:
        "../../scripts/report/report.py"


grows_with("report", len(SIMULATION.datasets))
