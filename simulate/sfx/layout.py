"""What a dataset of crystal frames will hold, known before anything is rendered."""

from frames.readout.config import ReadoutConfig
from frames.store.config import StorageConfig
from frames.store.hits import HIT_TARGET
from frames.store.layout import Layout
from simulate.sfx.config import CrystalDatasetConfig


def layout_of(config: CrystalDatasetConfig, storage: StorageConfig) -> Layout:
    """What a dataset will hold."""
    size = config.detector.size
    return Layout(
        n_patterns=config.frames.total,
        image_shape=(size, size),
        record="adu",
        patterns_per_chunk=storage.patterns_per_chunk,
        patterns_per_shard=storage.patterns_per_shard,
        targets=(HIT_TARGET,),
        readout=ReadoutConfig().model_dump(mode="json"),
    )


def shards_by_job(config: CrystalDatasetConfig, storage: StorageConfig, cluster: str) -> list[range]:
    """Shards of a dataset as the jobs of its rule render them."""
    n = layout_of(config, storage).n_shards
    per_job = n if cluster == "slurm" else storage.shards_per_job
    return [range(n)[first : first + per_job] for first in range(0, n, per_job)]
