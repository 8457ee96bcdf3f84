"""Which classes a network mistakes for which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.metrics import accuracy as metrics
from evaluate.metrics.confusion import class_matrix, classes_shot, confusions, per_class
from frames.labels import NO_STRUCTURE
from frames.store.dataset import Dataset

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


def classes_of(model: str, seed: int, predictions: pd.DataFrame, dataset: Dataset) -> Classes:
    """From the predictions of one training."""
    matrices = confusions(predictions, dataset)
    classes = classes_shot(dataset.structures, dataset.hit_multiplicities)
    recall: dict[str, dict[int, float]] = {}
    for row in per_class(predictions).itertuples():
        recall.setdefault(row.structure, {})[row.hit_multiplicity] = row.recall
    return Classes(
        model=model,
        seed=seed,
        mistakes={
            "structure": _mistakes(matrices["structure"], dataset.structures),
            "hit_multiplicity": _mistakes(matrices["hit_multiplicity"], dataset.hit_multiplicities),
            "both": _mistakes(
                class_matrix(predictions, classes),
                [f"{n} × {structure}" if n else structure for structure, n in classes],
            ),
        },
        recall={name: recall[name] for name in (*dataset.structures, NO_STRUCTURE) if name in recall},
        particle_recall=dict(zip(dataset.structures, metrics.recall(matrices["structure"]), strict=True)),
        particle_precision=dict(zip(dataset.structures, metrics.precision(matrices["structure"]), strict=True)),
    )


def _mistakes(matrix: NDArray[np.int64], labels: Sequence[Any]) -> Mistakes:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    wrong = matrix * ~np.eye(len(matrix), dtype=bool)
    worst = sorted(np.argwhere(wrong).tolist(), key=lambda at: -share[tuple(at)])
    return Mistakes(
        [
            Mistake(str(labels[truth]), str(labels[answer]), float(share[truth, answer]), int(wrong[truth, answer]))
            for truth, answer in worst[:MISTAKES_LISTED]
        ],
        len(worst),
        int(wrong.sum()),
    )
