"""What the store of a dataset holds, from the config or its folder; apart from the store, as Snakemake plans by it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from simulate.config import SimulationConfig
from simulate.experiment import share_of
from simulate.files import read_json

Record = Literal["expected", "photons"]


@dataclass(frozen=True)
class Layout:
    """What an empty store will hold, as `layout.json` says."""

    n_patterns: int
    image_shape: tuple[int, int]
    record: Record
    patterns_per_chunk: int
    patterns_per_shard: int
    structures: tuple[str, ...]
    hit_multiplicities: tuple[int, ...]
    readout: dict[str, Any]
    """A ReadoutConfig: what `Dataset.read` makes of the photons"""

    @property
    def n_shards(self) -> int:
        """Shards of the image array; the last may be partly filled."""
        return -(-self.n_patterns // self.patterns_per_shard)

    def rows(self, shard: int) -> slice:
        """Rows of the dataset that a shard holds."""
        start = shard * self.patterns_per_shard
        return slice(start, min(start + self.patterns_per_shard, self.n_patterns))

    @classmethod
    def load(cls, folder: Path) -> "Layout":
        """The layout of a dataset folder; FileNotFoundError if the folder holds none, ValueError if it is damaged."""
        file = folder / "layout.json"
        if not file.exists():
            raise FileNotFoundError(f"{folder} holds no dataset: there is no layout.json; expected .../datasets/<name>")
        try:
            values = read_json(file)
            del values["files"]
            for name in ("image_shape", "structures", "hit_multiplicities"):
                values[name] = tuple(values[name])
            return cls(**values)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{file} is damaged ({error}); delete it and run snakemake: shards that are whole are kept"
            ) from error


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
        structures=structures,
        hit_multiplicities=plan.hit_multiplicities,
        readout=dataset.readout.model_dump(mode="json"),
    )


def shards_by_job(config: SimulationConfig, name: str) -> list[range]:
    """Shards of a dataset as the jobs of its rule render them; workers that are SLURM jobs of their own serve one."""
    n_shards = layout_of(config, name).n_shards
    per_job = n_shards if config.cluster.kind == "slurm" else config.storage.shards_per_job
    return [range(n_shards)[first : first + per_job] for first in range(0, n_shards, per_job)]
