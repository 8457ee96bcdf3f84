# From the plan of all shots to their store and its card.


rule virus_plan:
    output:
        plan=virus_files.plan_file(RUN.folder),
        volumes=virus_files.volumes_file(RUN.folder),
    log:
        log_of("virus_plan"),
    benchmark:
        benchmark_of("virus_plan")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        settings=virus_settings("simulation"),
        source=source_digest("simulate.virus.dataset"),
    message:
        "plan: what each shot hits"
    script:
        "../../scripts/virus/plan.py"


grows_with("virus_plan", 1)


rule virus_layout:
    input:
        plan=virus_files.plan_file(RUN.folder),
    output:
        layout=FILES.layout("shots"),
    log:
        log_of("virus_layout"),
    benchmark:
        benchmark_of("virus_layout")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=virus_settings("simulation", "storage"),
        source=source_digest("simulate.virus.dataset"),
    message:
        "store: empty, with all labels"
    script:
        "../../scripts/virus/layout.py"


grows_with("virus_layout", 1)


rule virus_shards:
    input:
        layout=FILES.layout("shots"),
        plan=virus_files.plan_file(RUN.folder),
        volumes=virus_files.volumes_file(RUN.folder),
    output:
        FILES.job("shots", "{job}"),
    log:
        log_of("virus_shards/{job}"),
    benchmark:
        benchmark_of("virus_shards/{job}")
    conda:
        "../../envs/singlehit.yaml"
    threads: lambda wildcards: min(len(virus_shards(wildcards.job)), workflow.cores or 1)
    resources:
        mem_mb=growing(6000),
        runtime=growing(60),
    params:
        shards=lambda wildcards: virus_shards(wildcards.job),
        settings=virus_settings("simulation", "storage"),
        source=source_digest("simulate.virus.dataset"),
    message:
        "shots, job {wildcards.job}: shards that do not stand yet"
    script:
        "../../scripts/virus/shards.py"


grows_with(
    "virus_shards",
    lambda job: len(virus_shards(job.job)) * VIRUS.storage.patterns_per_shard,
    kind=VIRUS.simulation.detector.geometry,
)


rule virus_card:
    input:
        [FILES.job("shots", job) for job in range(len(virus_jobs()))],
    output:
        FILES.card("shots"),
    log:
        log_of("virus_card"),
    benchmark:
        benchmark_of("virus_card")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=virus_settings("simulation"),
        source=source_digest("simulate.virus.dataset"),
    message:
        "store: checked, and its card"
    script:
        "../../scripts/virus/card.py"


grows_with("virus_card", 1)
