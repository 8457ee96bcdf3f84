# Predictions, tables, figures, report.


rule predict:
    input:
        card=FILES.card("{dataset}"),
        model=lambda wildcards: (
            []
            if wildcards.model == "total_intensity"
            else FILES.model(wildcards.dataset, wildcards.model, wildcards.seed)
        ),
    output:
        FILES.predictions("{dataset}", "{model}", "{seed}"),
    log:
        log_of("predict/{dataset}-{model}-seed{seed}"),
    benchmark:
        benchmark_of("predict/{dataset}-{model}-seed{seed}")
    conda:
        "../envs/singlehit.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        source=source_digest("evaluate.predictions", "evaluate.baselines"),
    message:
        "{wildcards.model}, seed {wildcards.seed}: answers for the test split of {wildcards.dataset}"
    script:
        "../scripts/predict.py"


rule tables:
    input:
        cards=expand(FILES.card("{dataset}"), dataset=RUN.training.datasets),
        predictions=[
            FILES.predictions(dataset, model, seed)
            for dataset in RUN.training.datasets
            for model, seed in judged(RUN)
        ],
        trainings=[FILES.training_record(*training) for training in TRAININGS],
        records=expand(FILES.structure("{structure}"), structure=STRUCTURES),
    output:
        cnn=report(
            FILES.table("cnn"),
            category="Results",
            caption="../report/cnn.rst",
            labels={"table": "networks and baselines"},
        ),
        provenance=FILES.table("cnn").with_suffix(".json"),
        per_class=report(
            FILES.table("per_class"),
            category="Results",
            caption="../report/per_class.rst",
            labels={"table": "by class"},
        ),
        per_class_provenance=FILES.table("per_class").with_suffix(".json"),
    log:
        log_of("tables"),
    benchmark:
        benchmark_of("tables")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        source=source_digest("evaluate.tables"),
    message:
        "tables of all networks and baselines"
    script:
        "../scripts/tables.py"


rule figures:
    input:
        cards=expand(FILES.card("{dataset}"), dataset=SIMULATION.datasets),
        histories=[FILES.history(*training) for training in TRAININGS],
        predictions=[FILES.predictions(*training) for training in TRAININGS],
        geometries=expand(FILES.geometry("{dataset}"), dataset=SIMULATION.datasets),
    output:
        [
            report(
                FILES.figure(name),
                category="Figures",
                caption="../report/figure.rst",
                labels={"figure": name},
            )
            for name in figure_names(RUN)
        ],
    log:
        log_of("figures"),
    benchmark:
        benchmark_of("figures")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        source=source_digest("evaluate.illustrate"),
    message:
        "figures of the patterns and of what was learned"
    script:
        "../scripts/figures.py"


rule report:
    input:
        table=FILES.table("cnn"),
        provenance=FILES.table("cnn").with_suffix(".json"),
        per_class=FILES.table("per_class"),
        figures=[FILES.figure(name) for name in figure_names(RUN)],
        histories=[FILES.history(*training) for training in TRAININGS],
        predictions=[FILES.predictions(*training) for training in TRAININGS],
        structures=expand(FILES.structure("{structure}"), structure=STRUCTURES),
        volumes=expand(
            FILES.volume("{structure}", "{reach}"),
            structure=STRUCTURES,
            reach=REACHES,
        ),
        geometries=expand(
            FILES.geometry_record("{dataset}"), dataset=SIMULATION.datasets
        ),
        cards=expand(FILES.card("{dataset}"), dataset=SIMULATION.datasets),
        template=workflow.source_path("../../evaluate/report.html.j2"),
    output:
        report(
            FILES.report,
            category="Report",
            caption="../report/report.rst",
            labels={"page": "report"},
        ),
    log:
        log_of("report"),
    benchmark:
        benchmark_of("report")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        title=RUN.title,
        source=source_digest("evaluate.report"),
    message:
        "the report"
    script:
        "../scripts/report.py"
