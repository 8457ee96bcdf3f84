# What jobs ask a cluster for, as functions of their work. A job alone on a machine of its own is not held to any of it.

SNAKEMAKE_MB = 500
"""What Snakemake takes beside each job: a process that starts it, one that runs it, SLURM's own."""

PROCESS_MB = 500
"""A process of ours with its libraries and nothing else, measured."""

NETWORK_MB = 4000
"""The same with torch, a network, its activations, and CUDA's libraries."""

TRAINED_PER_S = 300
"""Patterns per second: less than a slow network takes on eight cores, and than any takes on a GPU."""


def growing(first):
    """A resource of which every retry asks for twice as much.

    `first` is how much at first, or a function of a job's wildcards, input and threads that says it.
    """

    def amount(wildcards, input, threads, attempt):
        asked = first(wildcards, input, threads) if callable(first) else first
        return math.ceil(asked * 2 ** (attempt - 1))

    return amount


def gpus(section, each=1):
    """GPUs that a job asks for which runs networks of this section of the config."""
    return each if section and section.device != "cpu" else 0


def megabytes(paths):
    """Size of files, and of all that is in folders; FileNotFoundError, on which Snakemake asks again later."""
    sizes = 0
    for path in map(Path, paths):
        files = path.rglob("*") if path.is_dir() else [path]
        sizes += sum(file.stat().st_size for file in files)
    return sizes / 1e6
