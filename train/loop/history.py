"""The record of a training: one row per epoch."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from frames.files import atomic_path
from train.config.recipe import Checkpoint


@dataclass(frozen=True)
class Row(ABC):
    """What every training has in common; accuracies are fractions of the validation split."""

    epoch: int
    """1 is the first"""
    train_loss: float
    """mean over the epoch's patterns while they were learned, dropout on"""
    validation_loss: float
    validation_accuracy: float
    images_per_s: float
    """training alone"""
    seconds: float
    """training and validation"""

    @property
    @abstractmethod
    def collapsed(self) -> list[str]:
        """What does no better than the majority class."""


@dataclass(frozen=True)
class Epoch(Row):
    """Of a network with two heads: `validation_accuracy` asks for both; for the count alone where nothing was hit."""

    validation_count_accuracy: float
    validation_particle_accuracy: float
    """of the patterns that show a particle"""
    count_collapsed: bool
    particle_collapsed: bool

    @property
    def collapsed(self) -> list[str]:
        """Heads that do no better than the majority class."""
        flags = (("count", self.count_collapsed), ("particle", self.particle_collapsed))
        return [head for head, is_collapsed in flags if is_collapsed]


@dataclass(frozen=True)
class TwinEpoch(Row):
    """Of a twin network: `validation_accuracy` is that of the nearest centroid, single or multiple."""

    spread: float
    """root mean square distance of the validation split's embeddings from their mean"""
    embedding_collapsed: bool

    @property
    def collapsed(self) -> list[str]:
        """Whether embeddings tell nothing apart."""
        return ["embedding"] if self.embedding_collapsed else []


AnyRow = TypeVar("AnyRow", bound=Row)
History = list[Epoch]
TwinHistory = list[TwinEpoch]


def kept_epoch(history: Sequence[AnyRow], checkpoint: Checkpoint) -> AnyRow:
    """The epoch whose weights become the model, were training to end here."""
    return history[-1] if checkpoint == "last" else max(history, key=lambda row: row.validation_accuracy)


def write_history(path: Path, history: Sequence[Row]) -> None:
    """One CSV row per epoch, under the names of its fields."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(history[0])])
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)
