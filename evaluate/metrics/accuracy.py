"""Of a confusion matrix, and how sure an accuracy is. Words: docs/conventions.md."""

import math

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964
"""Standard deviations that hold the central 95 % of a normal distribution."""


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
