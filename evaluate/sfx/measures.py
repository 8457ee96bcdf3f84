"""What is told of answers hit or miss, of which one may be rare."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from evaluate.metrics.calibration import probability_curve


class Measures(NamedTuple):
    """Fractions; hits are what is looked for."""

    precision: float
    """of what is called a hit; 0 where nothing is"""
    recall: float
    """of the hits; NaN where there is none"""
    accuracy: float
    f1: float
    majority: float
    """accuracy of the more frequent answer, always given"""
    n: int


def measures(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> Measures:
    """Of answers (n,) and what was the case (n,)."""
    right = int((truth & said).sum())
    precision = right / said.sum() if said.any() else 0.0
    recall = right / truth.sum() if truth.any() else np.nan
    f1 = 2 * right / (truth.sum() + said.sum()) if truth.any() or said.any() else np.nan
    share = truth.mean()
    right_share = float((truth == said).mean())
    return Measures(float(precision), float(recall), right_share, float(f1), float(max(share, 1 - share)), len(truth))


def recall_at(truth: NDArray[np.bool_], score: NDArray[np.floating], precision: float) -> float:
    """The highest recall of any threshold of the score (n,) whose precision is at least this; 0 where none is."""
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(truth[order])
    # Equal scores are called hits together: a threshold lies only where the score changes.
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    enough = right[ends] / (ends + 1) >= precision
    return float(right[ends][enough].max(initial=0) / max(truth.sum(), 1))


def best_threshold(truth: NDArray[np.bool_], count: NDArray[np.integer]) -> int:
    """The least number of peaks (n,) from which a frame is called a hit: by the highest accuracy, then the least.

    ValueError where there is no frame.
    """
    if len(count) == 0:
        raise ValueError("there are no frames to choose a threshold on; give the validation split some")
    steps = np.unique(np.append(count + 1, 0))
    accuracies = [((count >= least) == truth).mean() for least in steps]
    return int(steps[int(np.argmax(accuracies))])


def _odds(p: NDArray[np.floating]) -> NDArray[np.float64]:
    p = np.clip(np.asarray(p, float), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def calibrated(p: NDArray, truth: NDArray[np.bool_], asked: NDArray) -> NDArray[np.float64]:
    """Probabilities asked for (m,), after Platt's law fitted to validation frames' p (n,) and truth (n,).

    As they are where validation frames are all of one kind.
    """
    if truth.all() or not truth.any():
        return np.asarray(asked, float)
    law = LogisticRegression(C=1e3).fit(_odds(p)[:, None], truth)
    return law.predict_proba(_odds(asked)[:, None])[:, 1]


def calibration_error(p: NDArray, truth: NDArray[np.bool_], bins: int = 10) -> float:
    """Mean difference of probability and frequency over bins of equal width, weighed by their frames."""
    return probability_curve(p, truth, bins).error
