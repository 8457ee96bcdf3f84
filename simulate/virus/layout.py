"""What the store of all shots holds, and what is asked of them."""

from frames.store.config import StorageConfig
from frames.store.layout import Layout
from frames.targets import Target
from simulate.virus.config import VirusSimulationConfig
from simulate.virus.detector import geometry_of, readout_of
from simulate.virus.kinds import KINDS

ANSWERS = ("other", "single")
TARGETS = (Target("single", ANSWERS, kept="single"), Target("manual", ANSWERS, kept="single"), Target("kind", KINDS))
"""What is asked of every frame: what it was, what a person calls it, and what was hit."""


def layout_of(config: VirusSimulationConfig, storage: StorageConfig) -> Layout:
    """What the store will hold."""
    return Layout(
        n_patterns=sum(config.shots.values()),
        image_shape=geometry_of(config.detector.geometry).shape,
        record="photons",
        patterns_per_chunk=storage.patterns_per_chunk,
        patterns_per_shard=storage.patterns_per_shard,
        targets=TARGETS,
        readout=readout_of(config.detector).model_dump(mode="json"),
    )
