# What the rules that find hits share.


def base_of(wildcards):
    """The predictions that come with what a transfer begins with: its networks are trained then."""
    base = LEARNING.systems[wildcards.system].base
    return [] if base is None else predictions_file(FILES, wildcards.dataset, base)


def find_settings(wildcards):
    """What decides a system's networks, beside datasets."""
    whole, name = LEARNING.model_dump(mode="json"), wildcards.system
    system = whole["systems"][name]
    return (
        system,
        LEARNING.seeds_of(name),
        whole["orders"],
        [whole["labels"][label] for label in system["labels"]],
        whole["preprocessing"].get(system["preprocessing"]),
    )


def prepared_mb(dataset):
    """Of a dataset's prepared frames: images are half floats."""
    frames = SFX.datasets[dataset].frames.total
    pixels = sum(one.edge**2 for one in LEARNING.preprocessing.values())
    return frames * (2 * pixels + 10_000) / 1e6


def find_mb(wildcards, input, threads):
    """All datasets' frames, and those that batches copy."""
    return SNAKEMAKE_MB + PROCESS_MB + 3 * sum(map(prepared_mb, SFX.datasets))


def find_minutes(wildcards, input, threads):
    """Of frames that are learned: five images of 720 x 720 pixels a second and thread, at least."""
    system = LEARNING.systems[wildcards.system]
    labels = sum(LEARNING.labels[name].train for name in system.labels)
    trainings = (
        len(LEARNING.seeds_of(wildcards.system))
        * len(LEARNING.orders)
        * len(SFX.datasets)
        * 3
    )
    return 20 + trainings * labels * system.recipe.epochs / 5 / 60
