# What jobs of a run on proteins ask a cluster for.

RENDERED_PER_S = {"fast": 100, "torch": 100, "skopi": 5}
"""Patterns of 128 x 128 pixels per second and thread, by engine: a tenth of what was measured."""


def shards_gpus(wildcards):
    """GPUs that a job asks for which renders; all its processes share one. Workers that are SLURM jobs get none."""
    engine = SIMULATION.datasets[wildcards.dataset].engine
    return int(engine == "torch" and SIMULATION.cluster.kind == "local")


def images_mb(dataset, patterns):
    """So many images of a dataset, as floats."""
    return patterns * math.prod(layout_of(SIMULATION, dataset).image_shape) * 4 / 1e6


def plan_rows(placement):
    plan = SIMULATION.plan
    classes = len(SIMULATION.planned(placement)) * len(plan.hit_multiplicities)
    return classes * plan.patterns_per_class


def plan_mb(wildcards, input, threads):
    """A row has up to as many particles as the highest multiplicity, each an orientation and a position."""
    return SNAKEMAKE_MB + PROCESS_MB + 2e-3 * plan_rows(wildcards.placement)


def reader_mb(dataset):
    """A process that has read the plan, and holds a label of every pattern."""
    return PROCESS_MB + 1e-3 * plan_rows(SIMULATION.datasets[dataset].placement)


def labels_mb(wildcards, input, threads):
    return SNAKEMAKE_MB + reader_mb(wildcards.dataset)


def workers_of(wildcards):
    """A shard is one process's: more of them would wait. Workers that are SLURM jobs of their own take no thread here."""
    if SIMULATION.cluster.kind == "slurm":
        return 1
    jobs = sum(len(jobs_of(name)) for name in SIMULATION.datasets)
    return shared_cores(jobs, most=min(16, len(shards_of(wildcards))))


def shards_mb(wildcards, input, threads):
    """Each worker holds the plan, all volumes, and a shard while it is rendered, counted and compressed."""
    shard = images_mb(wildcards.dataset, SIMULATION.storage.patterns_per_shard)
    worker = reader_mb(wildcards.dataset) + 2 * megabytes(input.volumes) + 4 * shard
    return SNAKEMAKE_MB + (threads + 1) * worker


def shards_minutes(wildcards, input, threads):
    """Ten minutes for what is compiled first, and the patterns of the job; a day where its workers queue as well."""
    if SIMULATION.cluster.kind == "slurm":
        return 24 * 60
    patterns = len(shards_of(wildcards)) * SIMULATION.storage.patterns_per_shard
    engine = SIMULATION.datasets[wildcards.dataset].engine
    standard = images_mb(wildcards.dataset, patterns) / (128 * 128 * 4 / 1e6)
    return 10 + standard / RENDERED_PER_S[engine] / threads / 60


def split_patterns(dataset, split):
    share = getattr(SIMULATION.plan.split, split)
    return layout_of(SIMULATION, dataset).n_patterns * share


def training_loop_mb(dataset, recipe, rendered, processes=1):
    """Of each process the patterns that it holds, up to the recipe's memory, and the volumes that it renders from."""
    held = sum(
        min(1e3 * recipe.memory_gb, images_mb(dataset, split_patterns(dataset, split)))
        for split in ("train", "validation")
    )
    return SNAKEMAKE_MB + processes * (
        NETWORK_MB + 1.2 * held + 2 * megabytes(rendered)
    )


def training_loop_minutes(dataset, recipe):
    return 30 + recipe.epochs * split_patterns(dataset, "train") / TRAINED_PER_S / 60


def answering_mb(wildcards, input, threads):
    """A network, and a shard that it looks at, one that is read meanwhile, and that as it unpacks."""
    patterns_per_shard = SIMULATION.storage.patterns_per_shard
    return NETWORK_MB + 3 * images_mb(wildcards.evaluate_on, patterns_per_shard)


def training_mb(wildcards, input, threads):
    recipe = MODELS_TRAINED[wildcards.model].recipe
    rendered = input.get("volumes", [])
    return training_loop_mb(
        wildcards.dataset, recipe, rendered, RUN.training.gpus_per_training
    )


def training_minutes(wildcards, input, threads):
    return training_loop_minutes(
        wildcards.dataset, MODELS_TRAINED[wildcards.model].recipe
    )


def training_priority(wildcards):
    """What takes longest goes first: at the end no core waits for it."""
    return training_loop_minutes(
        wildcards.dataset, MODELS_TRAINED[wildcards.model].recipe
    )
