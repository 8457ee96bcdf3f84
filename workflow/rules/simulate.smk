# From structures to datasets.


rule structure:
    input:
        structure_file,
    output:
        atoms=FILES.atoms("{structure}"),
        record=FILES.structure("{structure}"),
    log:
        log_of("structure/{structure}"),
    benchmark:
        benchmark_of("structure/{structure}")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=structure_settings,
        source=source_digest("simulate.structures"),
    message:
        "structure {wildcards.structure}: find, read, check"
    script:
        "../scripts/structure.py"


rule geometry:
    output:
        geometry=FILES.geometry,
        record=FILES.geometry_record,
    log:
        log_of("geometry"),
    benchmark:
        benchmark_of("geometry")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("beam", "detector"),
        source=source_digest("simulate.geometry"),
    message:
        "beam and detector: scattering vectors, solid angles, polarisation"
    script:
        "../scripts/geometry.py"


rule volume:
    input:
        atoms=FILES.atoms("{structure}"),
        geometry=FILES.geometry,
    output:
        volume=FILES.field("{structure}"),
        record=FILES.volume("{structure}"),
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
    params:
        settings=settings("volume"),
        source=source_digest("simulate.volume"),
    message:
        "structure {wildcards.structure}: complex field on a grid, its accuracy measured"
    script:
        "../scripts/volume.py"


rule plan:
    input:
        records=expand(FILES.structure("{structure}"), structure=STRUCTURES),
    output:
        FILES.plan,
    log:
        log_of("plan"),
    benchmark:
        benchmark_of("plan")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=settings("plan", "structures"),
        source=source_digest("simulate.plan"),
    message:
        "plan: orientations, positions, fluence factors, seeds and splits of every pattern"
    script:
        "../scripts/plan.py"


rule dataset_layout:
    input:
        plan=FILES.plan,
        geometry=FILES.geometry,
    output:
        FILES.layout("{dataset}"),
    log:
        log_of("dataset_layout/{dataset}"),
    benchmark:
        benchmark_of("dataset_layout/{dataset}")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=dataset_settings,
        storage=settings("storage", "beam"),
        source=source_digest("simulate.dataset"),
    message:
        "dataset {wildcards.dataset}: the empty store and its labels"
    script:
        "../scripts/dataset_layout.py"


rule dataset_shards:
    input:
        layout=FILES.layout("{dataset}"),
        plan=FILES.plan,
        geometry=FILES.geometry,
        volumes=expand(FILES.field("{structure}"), structure=STRUCTURES),
        atoms=expand(FILES.atoms("{structure}"), structure=STRUCTURES),
    output:
        FILES.job("{dataset}", "{job}"),
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
    params:
        shards=shards_of,
        settings=dataset_settings,
        source=source_digest("simulate.render"),
    message:
        "dataset {wildcards.dataset}: job {wildcards.job} renders its shards"
    script:
        "../scripts/dataset_shards.py"


rule dataset:
    input:
        jobs=lambda wildcards: [
            FILES.job(wildcards.dataset, job) for job in jobs_of(wildcards.dataset)
        ],
        layout=FILES.layout("{dataset}"),
        geometry_record=FILES.geometry_record,
    output:
        FILES.card("{dataset}"),
    log:
        log_of("dataset/{dataset}"),
    benchmark:
        benchmark_of("dataset/{dataset}")
    conda:
        "../envs/singlehit.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=dataset_settings,
        source=source_digest("simulate.dataset"),
    message:
        "dataset {wildcards.dataset}: every shard checked, the card written"
    script:
        "../scripts/dataset.py"
