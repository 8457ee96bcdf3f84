"""How often a network or a baseline is right, from each seed, as the tables of a run have it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluate.metrics import accuracy as metrics
from frames.targets import Target, names

TEST, LONE = "test_accuracy", "lone_accuracy"
"""Columns of cnn.csv: every answer right that there is; the other answers of patterns of the class that is kept."""

OTHERS = ("majority_accuracy", "in_distribution_accuracy")
"""Columns that are no accuracy of the row's own answers on its own patterns."""


@dataclass(frozen=True)
class SeedScore:
    """How often one training, or one baseline, is right."""

    seed: int
    accuracies: Mapping[str, float]
    """by question, as columns of cnn.csv are called"""
    interval: tuple[float, float]
    """95 %, of the test accuracy"""
    collapsed: tuple[str, ...] = ()
    """targets of which every test pattern got the same answer"""


@dataclass(frozen=True)
class ModelScores:
    """A network, or a baseline, trained on one dataset and evaluated on that or another one."""

    name: str
    by_seed: Sequence[SeedScore]
    """one per seed"""

    @property
    def mean(self) -> dict[str, float]:
        """Mean over the seeds, by question."""
        return {
            question: float(np.mean([score.accuracies[question] for score in self.by_seed]))
            for question in self.by_seed[0].accuracies
        }

    @property
    def deviation(self) -> dict[str, float]:
        """Standard deviation of one seed about that mean, by question; NaN where there is but one seed."""
        if len(self.by_seed) < 2:
            return dict.fromkeys(self.mean, math.nan)
        return {q: float(np.std([score.accuracies[q] for score in self.by_seed], ddof=1)) for q in self.mean}

    def range(self, question: str = TEST) -> tuple[float, float]:
        """Lowest and highest of the seeds."""
        values = [score.accuracies[question] for score in self.by_seed]
        return min(values), max(values)

    @property
    def seeds(self) -> list[int]:
        """Of the trainings."""
        return [score.seed for score in self.by_seed]

    @property
    def collapsed(self) -> int:
        """Trainings that give every test pattern the same answer to a question."""
        return sum(bool(score.collapsed) for score in self.by_seed)


def most_accurate(networks: Sequence[ModelScores]) -> ModelScores:
    """The one of highest mean test accuracy."""
    return max(networks, key=lambda network: network.mean["test_accuracy"])


def read_scores(
    table: pd.DataFrame, collapsed: Mapping[tuple[str, int], tuple[str, ...]] | None = None
) -> list[ModelScores]:
    """One for every model in the rows of a table, in their order."""
    questions = [name for name in table if str(name).endswith("_accuracy") and name not in OTHERS]
    return [
        ModelScores(
            str(model),
            [
                SeedScore(
                    seed=int(row["seed"]),
                    accuracies={str(question): float(row[question]) for question in questions},
                    interval=metrics.wilson_interval(float(row["test_accuracy"]), int(row["n_test"])),
                    collapsed=(collapsed or {}).get((str(model), int(row["seed"])), ()),
                )
                for _, row in rows.iterrows()
            ],
        )
        for model, rows in table.groupby("model", sort=False)
    ]


def collapsed_heads(heads: pd.DataFrame, targets: Sequence[Target]) -> dict[tuple[str, int], tuple[str, ...]]:
    """Model and seed -> the targets whose heads collapsed, from rows of heads.csv of one dataset."""
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for row in heads[heads["collapsed"] & heads["target"].isin(names(targets))].itertuples():
        key = row.model, int(row.seed)
        found[key] = (*found.get(key, ()), row.target)
    return found
