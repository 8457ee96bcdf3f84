"""Whether probabilities mean what they say: confidence against accuracy, and one number that brings them together.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, with the targets of Platt, "Probabilistic outputs for
support vector machines" (1999). Temperatures are fitted on the validation rows of a table of predictions, everything
else is measured on its test rows: `evaluate.metrics.by_target`, for every question.
"""

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

logger = logging.getLogger(__name__)

FLOOR = 1e-12
"""Least probability: a class that was held impossible and is right costs 28 nats, not infinity."""

TEMPERATURES = 0.05, 20.0
"""Range of temperatures."""

N_BINS = 15


class Head(NamedTuple):
    """What one head predicts of n patterns, and their labels."""

    probabilities: NDArray[np.float64]
    """(n, k)"""
    labels: NDArray[np.int64]
    """(n,) index of the right class"""


class Reliability(NamedTuple):
    """Confidence and accuracy in bins of confidence, as from `reliability_curve`."""

    confidence: NDArray[np.float64]
    """(b,) mean in the bin, ascending"""
    accuracy: NDArray[np.float64]
    """(b,) fraction right"""
    n: NDArray[np.int64]
    """(b,) patterns"""

    @property
    def error(self) -> float:
        """Mean over the patterns of |accuracy − confidence| of their bin."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.n))


def log_likelihoods(probabilities: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """(n, k) log p of a head at a temperature: log softmax of log(p) / T, p no less than `FLOOR`.

    The softmax's logits are log p up to a constant of each pattern, which the new softmax does not see.
    """
    scaled = np.log(np.maximum(np.asarray(probabilities, float), FLOOR)) / temperature
    return scaled - logsumexp(scaled, axis=1, keepdims=True)


def tempered(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """(n, k) probabilities at a temperature: above 1 less certain, below 1 more, and never another first choice."""
    return np.exp(log_likelihoods(probabilities, temperature))


def negative_log_likelihood(head: Head, temperature: float = 1.0) -> float:
    """Mean over the patterns of −log p of the right class [nats]."""
    log_p = log_likelihoods(head.probabilities, temperature)
    return float(-np.take_along_axis(log_p, head.labels[:, None], axis=1).mean())


def smoothed(head: Head) -> NDArray[np.float64]:
    """(n, k) how probable each class is to be right, once n predictions have been looked at.

    By Laplace's rule of succession: after n patterns without a mistake the next prediction is right with a chance of
    (n + 1)/(n + 2), under a uniform prior of that chance. So a label weighs that much, as if one pattern more had been
    predicted rightly and one wrongly; the rest goes to the other classes in the proportions that the head gives them.
    """
    n = len(head.labels)
    is_label = np.arange(head.probabilities.shape[1]) == head.labels[:, None]
    others = np.exp(np.where(is_label, -np.inf, log_likelihoods(head.probabilities)))
    return np.where(is_label, (n + 1) / (n + 2), others / others.sum(axis=1, keepdims=True) / (n + 2))


def best_temperature(head: Head) -> float:
    """The temperature, within `TEMPERATURES`, of the greatest likelihood of `smoothed` labels.

    Of the labels themselves the likelihood of a head without a mistake grows for ever as T falls: it has no greatest
    value, and whatever bound stops it is no finding. Smoothed, the mean of -log p is convex in 1/T and rises to both
    sides, so there is one minimum: of two classes and odds o of all n patterns, all right, T = ln o / ln(n + 1), by
    which the head is as sure as n patterns allow. Where n is large, mistakes outweigh it. At an end of the range a
    warning is logged: the head hardly prefers any class, or predicts worse than at random.
    """
    if not len(head.labels):
        raise ValueError("no validation pattern to fit a temperature to; raise plan.patterns_per_class")
    if head.probabilities.shape[1] == 1:
        return 1.0  # sure of the only class at every temperature
    targets = smoothed(head)
    found = minimize_scalar(
        lambda log_t: -(targets * log_likelihoods(head.probabilities, np.exp(log_t))).sum(axis=1).mean(),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-5},
    )
    temperature = float(np.exp(found.x))
    if not 1.001 * TEMPERATURES[0] < temperature < 0.999 * TEMPERATURES[1]:
        logger.warning("temperature %.3g is an end of the range %g to %g", temperature, *TEMPERATURES)
    return temperature


def confidence(head: Head) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(n,) probability of the most probable class, and (n,) whether it is right."""
    return head.probabilities.max(axis=1), head.probabilities.argmax(axis=1) == head.labels


def reliability_curve(confidence: ArrayLike, right: ArrayLike, n_bins: int = N_BINS) -> Reliability:
    """Mean confidence and accuracy in bins of equally many patterns.

    Equally many, because most predictions of a good network lie in the last of bins that are equally wide. Equal
    confidences share a bin, so bins may be fewer and unequal, and the order of patterns does not matter.
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    rank = np.searchsorted(np.sort(confidence), confidence)
    _, number, n = np.unique(rank * n_bins // max(1, len(confidence)), return_inverse=True, return_counts=True)
    return Reliability(np.bincount(number, confidence) / n, np.bincount(number, right) / n, n)


def equal_width(probability: ArrayLike, n_bins: int) -> NDArray[np.int64]:
    """(n,) number of the bin of each probability, of so many that are equally wide."""
    return np.minimum((n_bins * np.asarray(probability, float)).astype(np.int64), n_bins - 1)


def probability_curve(probability: ArrayLike, happened: ArrayLike, n_bins: int) -> Reliability:
    """Mean probability of one answer, and how often it was so, in bins of equal width that have patterns."""
    probability, happened = np.asarray(probability, float), np.asarray(happened, float)
    _, number, n = np.unique(equal_width(probability, n_bins), return_inverse=True, return_counts=True)
    return Reliability(np.bincount(number, probability) / n, np.bincount(number, happened) / n, n)


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, n_bins: int = N_BINS) -> float:
    """Mean over the patterns of |accuracy − confidence| of their bin, see `reliability_curve`.

    Not zero for a calibrated head either: b bins of n patterns, a fraction p right in each, show √(2b p(1−p)/πn) by
    chance: a percentage point with 15 bins, 8,800 patterns and nine in ten right.
    """
    return reliability_curve(confidence, right, n_bins).error
