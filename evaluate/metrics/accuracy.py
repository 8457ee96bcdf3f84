"""How often answers are right, from arrays of truths and answers. Words: docs/conventions.md."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from evaluate.predictions.labels import Labels
from frames.labels import NO_STRUCTURE

Z_95 = 1.959964
"""Standard deviations that hold the central 95 % of a normal distribution."""


@dataclass(frozen=True)
class Accuracies:
    """The fraction of right answers to each question."""

    test_accuracy: float
    """structure and hit multiplicity, both right; the multiplicity alone where no particle was hit"""
    count_accuracy: float
    """hit multiplicity"""
    particle_accuracy: float
    """structure, of the patterns that show a particle; NaN where none does"""
    single_hit_accuracy: float
    """single or multiple hit"""


def named(labels: Labels) -> NDArray:
    """(n,) structures of the classes that the labels name: none where no particle was hit."""
    return np.where(np.asarray(labels.hit_multiplicity) > 0, np.asarray(labels.structure, dtype=object), NO_STRUCTURE)


def answers(labels: Labels) -> dict[str, NDArray]:
    """For each question, named as in `Accuracies`, the (n,) answers that the labels give."""
    structure, hit_multiplicity, is_single = labels
    return {
        "test_accuracy": np.array([f"{s} {m}" for s, m in zip(named(labels), hit_multiplicity, strict=True)]),
        "count_accuracy": np.asarray(hit_multiplicity),
        "particle_accuracy": np.asarray(structure),
        "single_hit_accuracy": np.asarray(is_single),
    }


def accuracies(truth: Labels, predicted: Labels) -> Accuracies:
    """How often the predictions are right; ValueError where there are none, or not one for each truth."""
    if not 0 < len(truth.structure) == len(predicted.structure):
        raise ValueError(
            f"{len(predicted.structure)} predictions of {len(truth.structure)} patterns; expected one each"
        )
    given, right = answers(predicted), answers(truth)
    return Accuracies(**{name: _share(given[name] == right[name], asked(name, truth)) for name in right})


def asked(question: str, truth: Labels) -> NDArray[np.bool_]:
    """(n,) of which patterns a question is asked: which structure, only of those that show one."""
    hit = np.asarray(truth.hit_multiplicity) > 0
    return hit if question == "particle_accuracy" else np.ones_like(hit)


def _share(right: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    return float(right[of].mean()) if of.any() else math.nan


def majority(train: Labels, test: Labels) -> Accuracies:
    """Accuracies on the test split of giving each question the answer most frequent in the training split.

    The questions are apart: where a quarter of all shots are single hits, "multiple" is right for the rest. Of equally
    frequent answers the first in sorted order is given.
    """
    result = {}
    right = answers(test)
    for question, seen in answers(train).items():
        values, counts = np.unique(seen[asked(question, train)], return_counts=True)
        result[question] = _share(right[question] == values[counts.argmax()], asked(question, test))
    return Accuracies(**result)


def confusion(truth: NDArray, answer: NDArray, labels: ArrayLike) -> NDArray[np.int64]:
    """(k, k) how often label i (row) was answered with label j (column), labels in the given order.

    Raises
    ------
    ValueError if a truth or an answer is none of the labels.
    """
    labels = np.asarray(labels)
    order = np.argsort(labels)

    def index(values: NDArray) -> NDArray[np.int64]:
        found = np.searchsorted(labels, values, sorter=order).clip(max=len(labels) - 1)
        if (strange := labels[order[found]] != values).any():
            raise ValueError(f"label {np.asarray(values)[strange].tolist()[0]!r} is none of {labels.tolist()}")
        return order[found]

    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(matrix, (index(truth), index(answer)), 1)
    return matrix


def recall(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """(k,) fraction of each label's patterns that were answered with it; NaN for a label without patterns."""
    return _fraction(np.diag(confusion), confusion.sum(axis=1))


def precision(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """(k,) fraction of the answers "label" that were right; NaN for a label that was never answered."""
    return _fraction(np.diag(confusion), confusion.sum(axis=0))


def _fraction(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def wilson_interval(accuracy: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Interval of the accuracy behind n independent answers, by default of 95 % confidence.

    Wilson (1927), J. Am. Stat. Assoc. 22, 209. Unlike p ± z √(p(1−p)/n) it has a width at p = 0 and 1 and stays within
    them. It speaks of the choice of test patterns only: training again with another seed moves the accuracy as well.
    """
    if n < 1 or not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy {accuracy} of {n} answers; expected a fraction of at least one")
    centre = (accuracy + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def lone_accuracy(classes: pd.DataFrame) -> float:
    """Particle accuracy of the single hits, from rows as of `confusion.per_class`; NaN where there are none."""
    single = classes[classes["hit_multiplicity"] == 1]
    return float(np.average(single["particle_recall"], weights=single["n"])) if len(single) else math.nan
