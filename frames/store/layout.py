"""What the store of a dataset holds, from the config or its folder; apart from the store, as Snakemake plans by it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from frames.files import read_json

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
