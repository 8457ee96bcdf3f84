"""What a dataset of any origin says of itself: its card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluate.run.files import RunFiles
from frames.files import sha256
from frames.labels import SPLITS
from frames.store.dataset import open_dataset
from frames.targets import Target


@dataclass(frozen=True)
class StoreClass:
    """Patterns that are one class of every question."""

    answers: tuple[str, ...]
    """in the order of the dataset's targets; none where there is none"""
    patterns: tuple[int, ...]
    """in each split"""
    brightness: tuple[float, float, float]
    """5, 50 and 95 % quantiles of the sum over a pattern"""


@dataclass(frozen=True)
class StoreFacts:
    """One dataset: its questions, its classes and how it can be told from others."""

    name: str
    folder: Path
    unit: str
    """of a pixel: photons, or what the card says"""
    targets: Sequence[Target]
    patterns: tuple[int, ...]
    """in each split"""
    shape: tuple[int, int]
    """of a pattern [pixels]"""
    classes: list[StoreClass]
    bytes: int
    shards: int
    digest: str
    """sha256 of the card, which holds that of every shard"""


def store_facts(files: RunFiles, name: str) -> StoreFacts:
    """Of a complete dataset; FileNotFoundError where it is not there."""
    dataset = open_dataset(files.dataset(name))
    card, targets = dataset.card, dataset.targets
    unit = next(
        key.removesuffix("_per_pattern") for key in card if key.endswith("_per_pattern") and "_" not in key[:-12]
    )
    return StoreFacts(
        name=name,
        folder=dataset.folder,
        unit=unit,
        targets=targets,
        patterns=tuple(rows.stop - rows.start for rows in dataset.splits.values()),
        shape=(dataset.shape[1], dataset.shape[2]),
        classes=[_class(entry, targets, unit) for entry in card["classes"]],
        bytes=card["bytes"],
        shards=dataset.layout.n_shards,
        digest=sha256(files.card(name)),
    )


def _class(entry: dict[str, Any], targets: Sequence[Target], unit: str) -> StoreClass:
    low, median, high = entry[f"{unit}_quantiles_5_50_95"]
    return StoreClass(
        answers=tuple("none" if entry[t.name] == -1 else str(entry[t.name]) for t in targets),
        patterns=tuple(entry[split] for split in SPLITS),
        brightness=(low, median, high),
    )
