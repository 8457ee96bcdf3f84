"""The layout of a run's datasets, and which job makes which shards."""

from frames.store.layout import Layout
from frames.targets import shot_targets
from simulate.config import SimulationConfig
from simulate.plan.config import share_of


def layout_of(config: SimulationConfig, name: str) -> Layout:
    """What dataset `name` will hold."""
    plan, dataset, structures = config.plan, config.datasets[name], config.selected(name)
    n_patterns = sum(
        share_of(size, dataset.select.shares.get(multiplicity, 1.0)) * (len(structures) if multiplicity else 1)
        for multiplicity in plan.hit_multiplicities
        for size in plan.split_sizes.values()
    )
    return Layout(
        n_patterns=n_patterns,
        image_shape=(dataset.detector.n_pixels, dataset.detector.n_pixels),
        record=dataset.record,
        patterns_per_chunk=config.storage.patterns_per_chunk,
        patterns_per_shard=config.storage.patterns_per_shard,
        targets=shot_targets(structures, plan.hit_multiplicities),
        readout=dataset.readout.model_dump(mode="json"),
    )


def shards_by_job(config: SimulationConfig, name: str) -> list[range]:
    """Shards of a dataset as the jobs of its rule render them; workers that are SLURM jobs of their own serve one."""
    n_shards = layout_of(config, name).n_shards
    per_job = n_shards if config.cluster.kind == "slurm" else config.storage.shards_per_job
    return [range(n_shards)[first : first + per_job] for first in range(0, n_shards, per_job)]
