# What jobs of a run on crystal frames ask a cluster for.

SFX = RUN.sfx

MEGAPIXELS_PER_S = 4
"""Of frames made, or searched for peaks, by a thread: a seventh of what was measured."""


def frame_megapixels(dataset):
    return SFX.datasets[dataset].detector.size**2 / 1e6


def frames_mb(dataset):
    """A shard of frames while it is made and compressed; its detector and one frame as floats."""
    rows = min(SFX.storage.patterns_per_shard, SFX.datasets[dataset].frames.total)
    return frame_megapixels(dataset) * (6 * rows + 60)


def frames_minutes(dataset, frames, threads):
    """Ten minutes for what is compiled first, and the frames."""
    return 10 + frames * frame_megapixels(dataset) / MEGAPIXELS_PER_S / threads / 60


def sfx_shards(dataset):
    return shards_by_job(SFX.datasets[dataset], SFX.storage, SFX.cluster.kind)


def sfx_shards_of(wildcards):
    return list(sfx_shards(wildcards.dataset)[int(wildcards.job)])


def sfx_workers(wildcards):
    """A shard is one process's. Workers that are SLURM jobs of their own take no thread here."""
    if SFX.cluster.kind == "slurm":
        return 1
    jobs = sum(len(sfx_shards(name)) for name in SFX.datasets)
    return shared_cores(jobs, most=min(16, len(sfx_shards_of(wildcards))))


def sfx_shards_mb(wildcards, input, threads):
    worker = PROCESS_MB + 500 + frames_mb(wildcards.dataset)
    return SNAKEMAKE_MB + PROCESS_MB + threads * worker


def sfx_shards_minutes(wildcards, input, threads):
    if SFX.cluster.kind == "slurm":
        return 24 * 60
    frames = len(sfx_shards_of(wildcards)) * SFX.storage.patterns_per_shard
    return frames_minutes(wildcards.dataset, frames, threads)


def sfx_labels_mb(wildcards, input, threads):
    return SNAKEMAKE_MB + PROCESS_MB + frames_mb(wildcards.dataset)


def sfx_peaks_minutes(wildcards, input, threads):
    frames = SFX.datasets[wildcards.dataset].frames.total
    return frames_minutes(wildcards.dataset, frames, threads)


def dataset_of_sfx(wildcards):
    return SFX.datasets[wildcards.dataset].model_dump(mode="json")
