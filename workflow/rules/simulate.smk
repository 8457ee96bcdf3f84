# From structures to datasets.


rule structure:
    message:
        "structure {wildcards.structure}: find, read, check"
    input:
        structure_file,
    output:
        atoms=FILES.atoms("{structure}"),
        record=FILES.structure("{structure}"),
    params:
        settings=structure_settings,
        source=source_digest("simulate.structures"),
    log:
        log_of("structure/{structure}"),
    benchmark:
        benchmark_of("structure/{structure}")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    script:
        "../scripts/structure.py"


rule geometry:
    message:
        "beam and detector: scattering vectors, solid angles, polarisation"
    output:
        geometry=FILES.geometry,
        record=FILES.geometry_record,
    params:
        settings=settings("beam", "detector", "datasets"),
        source=source_digest("simulate.geometry"),
    log:
        log_of("geometry"),
    benchmark:
        benchmark_of("geometry")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    script:
        "../scripts/geometry.py"


rule volume:
    message:
        "structure {wildcards.structure}: complex field on a grid, its accuracy measured"
    input:
        atoms=FILES.atoms("{structure}"),
        geometry=FILES.geometry,
    output:
        volume=FILES.field("{structure}"),
        record=FILES.volume("{structure}"),
    params:
        settings=settings("volume"),
        source=source_digest("simulate.volume"),
    log:
        log_of("volume/{structure}"),
    benchmark:
        benchmark_of("volume/{structure}")
    conda:
        "../envs/singlehit.yaml"
    threads: 4
    resources:
        mem_mb=8000,
        runtime=30,
    script:
        "../scripts/volume.py"


rule plan:
    message:
        "plan: orientations, positions, fluence factors, seeds and splits of every pattern"
    input:
        records=expand(FILES.structure("{structure}"), structure=STRUCTURES),
    output:
        FILES.plan,
    params:
        settings=settings("plan", "structures"),
        source=source_digest("simulate.plan"),
    log:
        log_of("plan"),
    benchmark:
        benchmark_of("plan")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/plan.py"


rule dataset_layout:
    message:
        "dataset {wildcards.dataset}: the empty store and its labels"
    input:
        plan=FILES.plan,
        geometry=FILES.geometry,
    output:
        FILES.layout("{dataset}"),
    params:
        settings=dataset_settings,
        storage=settings("storage", "beam"),
        source=source_digest("simulate.dataset"),
    log:
        log_of("dataset_layout/{dataset}"),
    benchmark:
        benchmark_of("dataset_layout/{dataset}")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/dataset_layout.py"


rule dataset_shards:
    message:
        "dataset {wildcards.dataset}: job {wildcards.job} renders its shards"
    input:
        layout=FILES.layout("{dataset}"),
        plan=FILES.plan,
        geometry=FILES.geometry,
        volumes=expand(FILES.field("{structure}"), structure=STRUCTURES),
        atoms=expand(FILES.atoms("{structure}"), structure=STRUCTURES),
    output:
        FILES.job("{dataset}", "{job}"),
    params:
        shards=shards_of,
        settings=dataset_settings,
        source=source_digest("simulate.render"),
    log:
        log_of("dataset_shards/{dataset}-{job}"),
    benchmark:
        benchmark_of("dataset_shards/{dataset}-{job}")
    conda:
        "../envs/singlehit.yaml"
    threads: 16
    resources:
        mem_mb=lambda wildcards, threads: 1500 * (threads + 1),
        runtime=120,
    script:
        "../scripts/dataset_shards.py"


rule dataset:
    message:
        "dataset {wildcards.dataset}: every shard checked, the card written"
    input:
        jobs=lambda wildcards: [
            FILES.job(wildcards.dataset, job) for job in jobs_of(wildcards.dataset)
        ],
        layout=FILES.layout("{dataset}"),
        geometry_record=FILES.geometry_record,
    output:
        FILES.card("{dataset}"),
    params:
        settings=dataset_settings,
        source=source_digest("simulate.dataset"),
    log:
        log_of("dataset/{dataset}"),
    benchmark:
        benchmark_of("dataset/{dataset}")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    script:
        "../scripts/dataset.py"
