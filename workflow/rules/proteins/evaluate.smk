# Predictions and tables.


rule predict:
    input:
        card=FILES.card("{evaluate_on}"),
        learned=predictor_inputs,
    output:
        FILES.predictions("{trained_on}", "{model}", "{seed}", "{evaluate_on}"),
    log:
        log_of("predict/{trained_on}/{evaluate_on}/{model}-seed{seed}"),
    benchmark:
        benchmark_of("predict/{trained_on}/{evaluate_on}/{model}-seed{seed}")
    conda:
        "../../envs/singlehit.yaml"
    threads: network_threads(RUN.training, len(PREDICTIONS + TRANSFERS), most=8)
    resources:
        mem_mb=growing(answering_mb),
        runtime=growing(30),
        gpu=gpus(RUN.training),
    params:
        source=predict_digest,
    message:
        "predict {wildcards.evaluate_on} with {wildcards.model} of {wildcards.trained_on}, seed {wildcards.seed}"
    script:
        "../../scripts/evaluate/predict.py"


grows_with(
    "predict",
    lambda job: work.predicting(RUN, job.trained_on, job.model, job.evaluate_on),
    kind=lambda job: (
        MODELS_TRAINED[job.model].network if job.model in MODELS_TRAINED else job.model
    ),
)


rule tables:
    input:
        cards=expand(FILES.card("{dataset}"), dataset=RUN.training.conditions),
        predictions=PREDICTIONS + TRANSFERS,
        trainings=[FILES.training_record(*training) for training in TRAININGS],
        histories=[FILES.history(*training) for training in TRAININGS],
        records=files_of(STRUCTURES, FILES.structure),
    output:
        tables=[
            report(
                FILES.table(name),
                category="Results",
                caption=f"../../report/{name}.rst",
                labels={"table": name},
            )
            for name in TABLES
            if name != "limit"
        ],
        provenance=[
            FILES.table(name).with_suffix(".json")
            for name in TABLES
            if name != "limit"
        ],
    log:
        log_of("tables"),
    benchmark:
        benchmark_of("tables")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        source=source_digest("evaluate.classification.tables"),
    message:
        "tables of all networks and baselines"
    script:
        "../../scripts/evaluate/tables.py"


grows_with("tables", len(PREDICTIONS + TRANSFERS))
