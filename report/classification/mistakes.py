"""Which classes a network mistakes for which."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from frames.labels import NO_STRUCTURE

SMALLEST_MISTAKE = 0.05
"""Share of a label's patterns that an answer must take to be told in a sentence."""


MISTAKES_TOLD, MISTAKES_LISTED = 4, 12
"""In that sentence, and in the tables."""


@dataclass(frozen=True)
class Mistake:
    """One answer that is often given in place of another."""

    truth: str
    answer: str
    share: float
    """of the patterns that are `truth`"""
    n: int
    """patterns"""


@dataclass(frozen=True)
class Mistakes:
    """Of one confusion matrix."""

    listed: list[Mistake]
    """the most frequent of their label first"""
    pairs: int
    """of a truth and another answer that were seen, listed or not"""
    n: int
    """patterns in all of them"""

    @property
    def frequent(self) -> list[Mistake]:
        """Those worth a sentence."""
        return [mistake for mistake in self.listed if mistake.share >= SMALLEST_MISTAKE][:MISTAKES_TOLD]


@dataclass(frozen=True)
class Classes:
    """What one training answers, class by class."""

    model: str
    seed: int
    mistakes: dict[str, Mistakes]
    """structure, hit_multiplicity, both -> what is taken for what"""
    recall: dict[str, dict[int, float]]
    """structure, or none -> hit multiplicity -> joint accuracy on the class"""
    particle_recall: dict[str, float]
    particle_precision: dict[str, float]


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


def classes_of(model: str, seed: int, tables: Tables) -> Classes:
    """From the rows of one training."""
    recall: dict[str, dict[int, float]] = {}
    for row in tables.per_class.itertuples():
        recall.setdefault(row.structure, {})[row.hit_multiplicity] = row.recall
    structures = tables.per_label[tables.per_label["target"] == "structure"].set_index("label")
    return Classes(
        model=model,
        seed=seed,
        mistakes={
            target: _mistakes(tables.confusion[tables.confusion["target"] == target])
            for target in ("structure", "hit_multiplicity", "both")
        },
        recall={name: recall[name] for name in (*structures.index, NO_STRUCTURE) if name in recall},
        particle_recall=structures["recall"].to_dict(),
        particle_precision=structures["precision"].to_dict(),
    )


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
