"""The record of a training: one row per epoch."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from frames.files import atomic_path
from frames.targets import MULTIPLICITY, STRUCTURE
from train.config.recipe import Checkpoint

OLD_COLUMNS: Mapping[str, str] = {"answers_alike": "predictions_alike"}
"""Old name -> new, of rows that were kept with a network."""


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

    def columns(self) -> dict[str, Any]:
        """Its row of history.csv."""
        return asdict(self)

    @classmethod
    def of_saved(cls, saved: Mapping[str, Any]) -> Self:
        """As it was kept with a network; columns that had another name then have today's."""
        return cls(**{OLD_COLUMNS.get(name, name): value for name, value in saved.items()})


@dataclass(frozen=True)
class Epoch(Row):
    """Of a network with a head for each target: `validation_accuracy` asks for all answers that there are."""

    validation_accuracies: dict[str, float]
    """of each target, of the patterns that have an answer; column `validation_<target>_accuracy`"""
    is_collapsed: dict[str, bool]
    """whether a target's head does no better than the majority class; column `<target>_collapsed`"""

    @property
    def collapsed(self) -> list[str]:
        """Targets whose heads do no better than the majority class."""
        return [target for target, is_collapsed in self.is_collapsed.items() if is_collapsed]

    def columns(self) -> dict[str, Any]:
        row = super().columns()
        accuracies, flags = row.pop("validation_accuracies"), row.pop("is_collapsed")
        return {
            **row,
            **{f"validation_{target}_accuracy": accuracy for target, accuracy in accuracies.items()},
            **{f"{target}_collapsed": is_collapsed for target, is_collapsed in flags.items()},
        }

    @classmethod
    def of_saved(cls, saved: Mapping[str, Any]) -> Self:
        """As it was kept with a network; of version 0.1, with two heads."""
        if "is_collapsed" in saved:
            return cls(**saved)
        values, heads = dict(saved), {"count": MULTIPLICITY, "particle": STRUCTURE}
        accuracies = {target: values.pop(f"validation_{head}_accuracy") for head, target in heads.items()}
        flags = {target: values.pop(f"{head}_collapsed") for head, target in heads.items()}
        return cls(**values, validation_accuracies=accuracies, is_collapsed=flags)


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
    """One CSV row per epoch."""
    rows = [row.columns() for row in history]
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
