"""What the store of a dataset holds, from the config or its folder; apart from the store, as Snakemake plans by it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from frames.files import read_json
from frames.targets import Target, named, shot_targets

Record = Literal["expected", "photons", "adu"]
"""Mean photons, counts of them, or the detector's units as a file of a beamline holds them."""


@dataclass(frozen=True)
class Layout:
    """What an empty store will hold, as `layout.json` says."""

    n_patterns: int
    image_shape: tuple[int, int]
    record: Record
    patterns_per_chunk: int
    patterns_per_shard: int
    targets: tuple[Target, ...]
    """what is asked of every frame; the store has a label of each one's name"""
    readout: dict[str, Any]
    """A ReadoutConfig: what `Dataset.read` makes of the photons"""

    def __post_init__(self) -> None:
        names = [target.name for target in self.targets]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"targets {names}: expected at least one, each of another name")

    @property
    def n_shards(self) -> int:
        """Shards of the image array; the last may be partly filled."""
        return -(-self.n_patterns // self.patterns_per_shard)

    def rows(self, shard: int) -> slice:
        """Rows of the dataset that a shard holds."""
        start = shard * self.patterns_per_shard
        return slice(start, min(start + self.patterns_per_shard, self.n_patterns))

    def target(self, name: str) -> Target:
        """The target of this name; ValueError naming those that there are."""
        return named(self.targets, name)

    def as_json(self) -> dict[str, Any]:
        """For JSON, as `layout.json` holds it."""
        return {
            **asdict(self),
            "image_shape": list(self.image_shape),
            "targets": [target.as_json() for target in self.targets],
        }

    @classmethod
    def load(cls, folder: Path) -> "Layout":
        """The layout of a dataset folder; FileNotFoundError if the folder holds none, ValueError if it is damaged."""
        file = folder / "layout.json"
        if not file.exists():
            raise FileNotFoundError(f"{folder} holds no dataset: there is no layout.json; expected .../datasets/<name>")
        try:
            values = read_json(file)
            del values["files"]
            if "targets" not in values:  # of version 0.1, which asked of every frame which structure, and how many
                values["targets"] = shot_targets(values.pop("structures"), values.pop("hit_multiplicities"))
            else:
                values["targets"] = tuple(Target.of(target) for target in values["targets"])
            return cls(**{**values, "image_shape": tuple(values["image_shape"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{file} is damaged ({error}); delete it and run snakemake: shards that are whole are kept"
            ) from error
