# Predictions, tables, figures, report.


rule predict:
    message:
        "{wildcards.model}, seed {wildcards.seed}: answers for the test split of {wildcards.dataset}"
    input:
        card=FILES.card("{dataset}"),
        model=lambda wildcards: (
            []
            if wildcards.model == "total_intensity"
            else FILES.model(wildcards.dataset, wildcards.model, wildcards.seed)
        ),
    output:
        FILES.predictions("{dataset}", "{model}", "{seed}"),
    params:
        source=source_digest("evaluate.predictions", "evaluate.baselines"),
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
    script:
        "../scripts/predict.py"


rule tables:
    message:
        "tables of all networks and baselines"
    input:
        cards=expand(FILES.card("{dataset}"), dataset=RUN.training.datasets),
        predictions=[
            FILES.predictions(dataset, model, seed)
            for dataset in RUN.training.datasets
            for model, seed in judged(RUN)
        ],
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
    params:
        source=source_digest("evaluate.tables"),
    log:
        log_of("tables"),
    benchmark:
        benchmark_of("tables")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/tables.py"
