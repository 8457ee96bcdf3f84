# Where the logs and benchmarks of jobs lie.


def log_of(name):
    return FILES.folder / "logs" / f"{name}.log"


def benchmark_of(name):
    return FILES.benchmarks / f"{name}.tsv"
