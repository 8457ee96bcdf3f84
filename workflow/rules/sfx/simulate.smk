# From what each frame shows to datasets of them; or the deposited ones, where the config asks for them.


if SFX.source == "cxidb76":

    rule sfx_deposited:
        output:
            FILES.card("{dataset}"),
        log:
            log_of("sfx_deposited/{dataset}"),
        benchmark:
            benchmark_of("sfx_deposited/{dataset}")
        conda:
            "../../envs/singlehit.yaml"
        resources:
            mem_mb=growing(8000),
            runtime=growing(120),
        params:
            folder=str(SFX.folder),
            storage=SFX.storage.model_dump(mode="json"),
            source=source_digest("evaluate.sfx.deposited"),
        message:
            "dataset {wildcards.dataset}: the deposited frames and the labels of experts"
        script:
            "../../scripts/sfx/deposited.py"

else:

    rule sfx_plan:
        output:
            FILES.plan("{dataset}"),
        log:
            log_of("sfx_plan/{dataset}"),
        benchmark:
            benchmark_of("sfx_plan/{dataset}")
        conda:
            "../../envs/singlehit.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            settings=lambda wildcards: [
                SFX.datasets[wildcards.dataset].seed,
                SFX.datasets[wildcards.dataset].frames.model_dump(mode="json"),
            ],
            source=source_digest("simulate.stages.crystal_dataset"),
        message:
            "dataset {wildcards.dataset}: what each frame shows"
        script:
            "../../scripts/sfx/plan.py"

    rule sfx_layout:
        input:
            plan=FILES.plan("{dataset}"),
        output:
            FILES.layout("{dataset}"),
        log:
            log_of("sfx_layout/{dataset}"),
        benchmark:
            benchmark_of("sfx_layout/{dataset}")
        conda:
            "../../envs/singlehit.yaml"
        resources:
            mem_mb=growing(sfx_labels_mb),
            runtime=growing(20),
        params:
            settings=dataset_of_sfx,
            storage=SFX.storage.model_dump(mode="json"),
            source=source_digest("simulate.stages.crystal_dataset"),
        message:
            "dataset {wildcards.dataset}: the empty store and its labels"
        script:
            "../../scripts/sfx/layout.py"

    rule sfx_shards:
        input:
            layout=FILES.layout("{dataset}"),
            plan=FILES.plan("{dataset}"),
        output:
            FILES.job("{dataset}", "{job}"),
        log:
            log_of("sfx_shards/{dataset}-{job}"),
        benchmark:
            benchmark_of("sfx_shards/{dataset}-{job}")
        conda:
            "../../envs/singlehit.yaml"
        threads: sfx_workers
        resources:
            mem_mb=growing(sfx_shards_mb),
            runtime=growing(sfx_shards_minutes),
        params:
            shards=sfx_shards_of,
            settings=dataset_of_sfx,
            source=source_digest("simulate.stages.crystal_dataset"),
        message:
            "dataset {wildcards.dataset}, job {wildcards.job}: shards that do not stand yet, rendered"
        script:
            "../../scripts/sfx/shards.py"

    rule sfx_dataset:
        input:
            jobs=lambda wildcards: [
                FILES.job(wildcards.dataset, job)
                for job in range(len(sfx_shards(wildcards.dataset)))
            ],
            layout=FILES.layout("{dataset}"),
        output:
            FILES.card("{dataset}"),
            FILES.dataset("{dataset}") / "spots.parquet",
        log:
            log_of("sfx_dataset/{dataset}"),
        benchmark:
            benchmark_of("sfx_dataset/{dataset}")
        conda:
            "../../envs/singlehit.yaml"
        resources:
            mem_mb=growing(sfx_labels_mb),
            runtime=growing(60),
        params:
            settings=dataset_of_sfx,
            source=source_digest("simulate.stages.crystal_dataset"),
        message:
            "dataset {wildcards.dataset}: every shard checked, true spots gathered, the card written"
        script:
            "../../scripts/sfx/dataset.py"

    grows_with(
        "sfx_shards",
        lambda job: len(sfx_shards_of(job))
        * SFX.storage.patterns_per_shard
        * frame_megapixels(job.dataset),
    )
