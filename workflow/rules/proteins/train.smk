# Networks.


rule train:
    input:
        unpack(source_of),
        card=FILES.card("{dataset}"),
    output:
        model=FILES.model("{dataset}", "{model}", "{seed}"),
        history=FILES.history("{dataset}", "{model}", "{seed}"),
        record=FILES.training_record("{dataset}", "{model}", "{seed}"),
    log:
        log_of("train/{dataset}/{model}-seed{seed}"),
    benchmark:
        benchmark_of("train/{dataset}/{model}-seed{seed}")
    priority: training_priority
    conda:
        "../../envs/singlehit.yaml"
    threads: training_threads(RUN.training, N_TRAININGS)
    resources:
        mem_mb=growing(training_mb),
        runtime=growing(training_minutes),
        gpu=gpus(RUN.training, RUN.training.gpus_per_training),
    params:
        settings=training_settings,
        source=lambda wildcards: registry.training_digest(
            MODELS_TRAINED[wildcards.model].network, "train.tasks.classify"
        ),
    message:
        "train {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../../scripts/train/train.py"


grows_with(
    "train",
    training_work,
    kind=lambda job: work.network_kind(
        MODELS_TRAINED[job.model].network, MODELS_TRAINED[job.model].recipe
    ),
    epochs=lambda job: MODELS_TRAINED[job.model].recipe.epochs,
)
