"""Which classes a network mistakes for which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluate.run.outputs import BOTH
from frames.targets import NO_ANSWER, Target, names

SMALLEST_MISTAKE = 0.05
"""Share of a label's patterns that a prediction must take to be told in a sentence."""


MISTAKES_TOLD, MISTAKES_LISTED = 4, 12
"""In that sentence, and in the tables."""


@dataclass(frozen=True)
class Mistake:
    """One class that is often predicted in place of another."""

    label: str
    predicted: str
    share: float
    """of the patterns that are `label`"""
    n: int
    """patterns"""


@dataclass(frozen=True)
class Mistakes:
    """Of one confusion matrix."""

    listed: list[Mistake]
    """the most frequent of their label first"""
    pairs: int
    """of a label and another prediction that were seen, listed or not"""
    n: int
    """patterns in all of them"""

    @property
    def frequent(self) -> list[Mistake]:
        """Those worth a sentence."""
        return [mistake for mistake in self.listed if mistake.share >= SMALLEST_MISTAKE][:MISTAKES_TOLD]


@dataclass(frozen=True)
class Labels:
    """How each class of one target fares, by its name."""

    recall: dict[str, float]
    precision: dict[str, float]


@dataclass(frozen=True)
class Classes:
    """What one training answers, class by class."""

    model: str
    seed: int
    mistakes: dict[str, Mistakes]
    """target, or both -> what is taken for what"""
    recall: dict[str, dict[str, float]]
    """of two questions: class of the last, or none -> class of the first -> joint accuracy; else empty"""
    labels: dict[str, Labels]
    """target -> its classes"""


@dataclass(frozen=True)
class Tables:
    """Rows of one training in the tables that say what it takes for what."""

    confusion: pd.DataFrame
    per_label: pd.DataFrame
    per_class: pd.DataFrame

    def of(self, dataset: str, model: str, seed: int) -> "Tables":
        """The rows of one training of these."""

        def rows(table: pd.DataFrame) -> pd.DataFrame:
            mine = (table["dataset"] == dataset) & (table["model"] == model) & (table["seed"] == seed)
            return table[mine].reset_index(drop=True)

        return Tables(rows(self.confusion), rows(self.per_label), rows(self.per_class))


def classes_of(model: str, seed: int, tables: Tables, targets: Sequence[Target]) -> Classes:
    """From the rows of one training, and what its dataset asks."""
    together = [BOTH] if len(targets) == 2 else []
    return Classes(
        model=model,
        seed=seed,
        mistakes={
            name: _mistakes(tables.confusion[tables.confusion["target"] == name])
            for name in (*reversed(names(targets)), *together)
        },
        recall=_by_both(tables.per_class, targets) if together else {},
        labels={
            name: Labels(rows["recall"].to_dict(), rows["precision"].to_dict())
            for name in names(targets)
            for rows in [tables.per_label[tables.per_label["target"] == name].set_index("label")]
        },
    )


def _by_both(rows: pd.DataFrame, targets: Sequence[Target]) -> dict[str, dict[str, float]]:
    """Joint accuracies of the classes that there are, those of the last question in its order, none at the end."""
    first, last = targets
    found: dict[str, dict[str, float]] = {}
    for row in rows.to_dict("records"):
        found.setdefault(str(row[last.name]), {})[str(row[first.name])] = float(row["recall"])
    order = [str(value) for value in (*last.classes, *last.values(np.array([NO_ANSWER])))]
    return {name: found[name] for name in order if name in found}


def _mistakes(rows: pd.DataFrame) -> Mistakes:
    """From the rows of confusion.csv of one question."""
    share = rows["n"] / rows.groupby("label")["n"].transform("sum")
    wrong = rows.assign(share=share)[rows["label"] != rows["predicted"]]
    worst = wrong.sort_values("share", ascending=False, kind="stable")
    return Mistakes(
        [
            Mistake(row.label, row.predicted, float(row.share), int(row.n))
            for row in worst[:MISTAKES_LISTED].itertuples()
        ],
        len(worst),
        int(np.sum(wrong["n"])),
    )
