"""How often a network or a baseline is right, from each seed, as the tables of a run have it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluate.metrics import accuracy as metrics

QUESTIONS = {
    "test_accuracy": "joint accuracy",
    "hit_multiplicity_accuracy": "number of particles",
    "structure_accuracy": "structure",
    "hit_multiplicity_1_accuracy": "single or multiple hit",
    "lone_accuracy": "structure of a single hit",
}
"""What accuracies are of, columns of cnn.csv; NaN of those that a run does not ask."""

HEADS = {"hit_multiplicity": "count", "structure": "particle"}
"""Question -> the head that answers it."""


@dataclass(frozen=True)
class SeedScore:
    """How often one training, or one baseline, is right."""

    seed: int
    accuracies: Mapping[str, float]
    """by question"""
    interval: tuple[float, float]
    """95 %, of the test accuracy"""
    collapsed: tuple[str, ...] = ()
    """heads that give every test pattern the same answer"""


@dataclass(frozen=True)
class ModelScores:
    """A network, or a baseline, trained on one dataset and asked about that or another one."""

    name: str
    by_seed: Sequence[SeedScore]
    """one per seed"""

    @property
    def mean(self) -> dict[str, float]:
        """Mean over the seeds, by question."""
        return {
            question: float(np.mean([score.accuracies[question] for score in self.by_seed])) for question in QUESTIONS
        }

    @property
    def deviation(self) -> dict[str, float]:
        """Standard deviation of one seed about that mean, by question; NaN where there is but one seed."""
        if len(self.by_seed) < 2:
            return dict.fromkeys(QUESTIONS, math.nan)
        return {q: float(np.std([score.accuracies[q] for score in self.by_seed], ddof=1)) for q in QUESTIONS}

    def range(self, question: str = "test_accuracy") -> tuple[float, float]:
        """Lowest and highest of the seeds."""
        values = [score.accuracies[question] for score in self.by_seed]
        return min(values), max(values)

    @property
    def seeds(self) -> list[int]:
        """Of the trainings."""
        return [score.seed for score in self.by_seed]

    @property
    def collapsed(self) -> int:
        """Trainings with a head that gives every test pattern the same answer."""
        return sum(bool(score.collapsed) for score in self.by_seed)


def most_accurate(networks: Sequence[ModelScores]) -> ModelScores:
    """The one of highest mean test accuracy."""
    return max(networks, key=lambda network: network.mean["test_accuracy"])


def read_scores(
    table: pd.DataFrame, collapsed: Mapping[tuple[str, int], tuple[str, ...]] | None = None
) -> list[ModelScores]:
    """One for every model in the rows of a table, in their order."""
    return [
        ModelScores(
            str(model),
            [
                SeedScore(
                    seed=int(row["seed"]),
                    accuracies={question: float(row.get(question, math.nan)) for question in QUESTIONS},
                    interval=metrics.wilson_interval(float(row["test_accuracy"]), int(row["n_test"])),
                    collapsed=(collapsed or {}).get((str(model), int(row["seed"])), ()),
                )
                for _, row in rows.iterrows()
            ],
        )
        for model, rows in table.groupby("model", sort=False)
    ]


def collapsed_heads(heads: pd.DataFrame) -> dict[tuple[str, int], tuple[str, ...]]:
    """Model and seed -> its heads that collapsed, from rows of heads.csv of one dataset."""
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for row in heads[heads["collapsed"] & heads["target"].isin(HEADS)].itertuples():
        key = row.model, int(row.seed)
        found[key] = (*found.get(key, ()), HEADS[row.target])
    return found
