"""The record of a training: one row per epoch."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from simulate.files import atomic_path
from train.recipe import Keep


@dataclass(frozen=True)
class Epoch:
    """One row; accuracies are fractions of the validation split."""

    epoch: int
    """1 is the first"""
    train_loss: float
    """mean over the epoch's patterns while they were learned, dropout on"""
    validation_loss: float
    validation_accuracy: float
    """both heads right; the count alone where no particle was hit"""
    validation_count_accuracy: float
    validation_particle_accuracy: float
    """of the patterns that show a particle"""
    count_collapsed: bool
    particle_collapsed: bool
    images_per_s: float
    """training alone"""
    seconds: float
    """training and validation"""

    @property
    def collapsed(self) -> list[str]:
        """Heads that do no better than the majority class."""
        flags = (("count", self.count_collapsed), ("particle", self.particle_collapsed))
        return [head for head, is_collapsed in flags if is_collapsed]


History = list[Epoch]


def kept_epoch(history: Sequence[Epoch], keep: Keep) -> Epoch:
    """The epoch whose weights become the model, were training to end here."""
    return history[-1] if keep == "last" else max(history, key=lambda row: row.validation_accuracy)


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """One CSV row per epoch, under the names of `Epoch`."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Epoch)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)
