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
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        settings=structure_settings,
        contents=contents_of(structure_file),
        source=source_digest("simulate.stages.structure"),
    message:
        "structure {wildcards.structure}: find, read, check"
    script:
        "../../scripts/simulate/structure.py"


grows_with("structure", 1)


rule geometry:
    input:
        mask_of,
    output:
        geometry=FILES.geometry("{dataset}"),
        record=FILES.geometry_record("{dataset}"),
    log:
        log_of("geometry/{dataset}"),
    benchmark:
        benchmark_of("geometry/{dataset}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        settings=geometry_settings,
        contents=contents_of(mask_of),
        source=source_digest("simulate.stages.geometry"),
    message:
        "dataset {wildcards.dataset}: scattering vectors, solid angles, polarisation, live pixels"
    script:
        "../../scripts/simulate/geometry.py"


grows_with(
    "geometry",
    lambda job: work.n_pixels(RUN, job.dataset),
    kind=lambda job: SIMULATION.datasets[job.dataset].detector.model,
)


rule volume:
    input:
        atoms=FILES.atoms("{structure}"),
    output:
        volume=FILES.field("{structure}", "{reach}"),
        record=FILES.volume("{structure}", "{reach}"),
    log:
        log_of("volume/{structure}-{reach}"),
    benchmark:
        benchmark_of("volume/{structure}-{reach}")
    conda:
        "../../envs/singlehit.yaml"
    threads: shared_cores(len(NAMED_STRUCTURES), most=4)
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        settings=settings("volume"),
        source=source_digest("simulate.stages.volume"),
    message:
        "structure {wildcards.structure}: complex field on a grid out to {wildcards.reach}, its accuracy measured"
    script:
        "../../scripts/simulate/volume.py"


grows_with("volume", lambda job: work.grid_points(job.reach))


if RANDOM:

    rule random_structures:
        input:
            files_of_pieces,
        output:
            directory(FILES.atoms(RANDOM[0]).parent),
        log:
            log_of("random_structures"),
        benchmark:
            benchmark_of("random_structures")
        conda:
            "../../envs/singlehit.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(60),
        params:
            settings=[
                SIMULATION.structure(name).model_dump(mode="json") for name in RANDOM
            ],
            contents=contents_of(files_of_pieces),
            source=source_digest("simulate.stages.structure"),
        message:
            "structures of all random molecules"
        script:
            "../../scripts/simulate/random_structures.py"

    grows_with("random_structures", len(RANDOM))

    rule random_volumes:
        input:
            FILES.atoms(RANDOM[0]).parent,
        output:
            directory(FILES.field(RANDOM[0], "{reach}").parent),
        log:
            log_of("random_volumes/{reach}"),
        benchmark:
            benchmark_of("random_volumes/{reach}")
        conda:
            "../../envs/singlehit.yaml"
        threads: 4
        resources:
            mem_mb=growing(4000),
            runtime=growing(120),
        params:
            settings=settings("volume"),
            source=source_digest("simulate.stages.volume"),
        message:
            "volumes of all random molecules out to {wildcards.reach}"
        script:
            "../../scripts/simulate/random_volumes.py"

    grows_with("random_volumes", lambda job: work.grid_points(job.reach) * len(RANDOM))


rule plan:
    input:
        atoms=lambda wildcards: files_of(
            SIMULATION.planned(wildcards.placement), FILES.atoms
        ),
    output:
        FILES.plan("{placement}"),
    log:
        log_of("plan/{placement}"),
    benchmark:
        benchmark_of("plan/{placement}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(plan_mb),
        runtime=growing(30),
    params:
        settings=settings("plan", "structures"),
        source=source_digest("simulate.stages.plan"),
    message:
        "plan, {wildcards.placement}: orientations, positions, seeds and splits of every pattern"
    script:
        "../../scripts/simulate/plan.py"


grows_with(
    "plan",
    lambda job: work.planned_particles(RUN, job.placement),
    kind=lambda job: job.placement,
)


rule dataset_layout:
    input:
        plan=plan_of,
        geometry=FILES.geometry("{dataset}"),
        records=lambda wildcards: files_of(
            SIMULATION.selected(wildcards.dataset), FILES.structure
        ),
    output:
        FILES.layout("{dataset}"),
    log:
        log_of("dataset_layout/{dataset}"),
    benchmark:
        benchmark_of("dataset_layout/{dataset}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(labels_mb),
        runtime=growing(30),
    params:
        settings=dataset_settings,
        storage=settings("storage"),
        source=source_digest("simulate.stages.dataset_layout"),
    message:
        "dataset {wildcards.dataset}: the empty store and its labels"
    script:
        "../../scripts/simulate/dataset_layout.py"


grows_with("dataset_layout", lambda job: work.planned_rows(RUN, job.dataset))


rule dataset_shards:
    input:
        layout=FILES.layout("{dataset}"),
        plan=plan_of,
        geometry=FILES.geometry("{dataset}"),
        volumes=fields_of,
        atoms=atoms_of,
    output:
        FILES.job("{dataset}", "{job}"),
    log:
        log_of("dataset_shards/{dataset}-{job}"),
    benchmark:
        benchmark_of("dataset_shards/{dataset}-{job}")
    conda:
        "../../envs/singlehit.yaml"
    threads: workers_of
    resources:
        mem_mb=growing(shards_mb),
        runtime=growing(shards_minutes),
        gpu=shards_gpus,
    params:
        shards=shards_of,
        settings=dataset_settings,
        source=source_digest("simulate.stages.dataset_shards"),
    message:
        "dataset {wildcards.dataset}, job {wildcards.job}: shards that do not stand yet, rendered"
    script:
        "../../scripts/simulate/dataset_shards.py"


grows_with(
    "dataset_shards",
    lambda job: work.rendering(RUN, job.dataset, shards_of(job)),
    kind=lambda job: f"{SIMULATION.datasets[job.dataset].engine}, {SIMULATION.datasets[job.dataset].record}",
)


rule dataset:
    input:
        jobs=lambda wildcards: [
            FILES.job(wildcards.dataset, job) for job in jobs_of(wildcards.dataset)
        ],
        layout=FILES.layout("{dataset}"),
        geometry_record=FILES.geometry_record("{dataset}"),
    output:
        FILES.card("{dataset}"),
    log:
        log_of("dataset/{dataset}"),
    benchmark:
        benchmark_of("dataset/{dataset}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(labels_mb),
        runtime=growing(60),
    params:
        settings=dataset_settings,
        source=source_digest("simulate.stages.dataset"),
    message:
        "dataset {wildcards.dataset}: every shard checked, the card written"
    script:
        "../../scripts/simulate/dataset.py"


grows_with(
    "dataset",
    lambda job: layout_of(SIMULATION, job.dataset).n_patterns,
    kind=lambda job: SIMULATION.datasets[job.dataset].record,
)
