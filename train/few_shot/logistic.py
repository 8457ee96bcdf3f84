"""Logistic regression on embeddings, adapted by a few labels."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from train.few_shot.support import SupportSet, _weights

Array = NDArray[np.floating]
Scores = Callable[[Array], Array]
"""Embeddings of new patterns (n, d) -> (n,)."""


WEIGHT_OF_PRIOR = 1.0
"""Precision of the normal prior about the coefficients, in units where the known embeddings have variance 1."""


STEEPNESS = np.log(1e-3), np.log(1e3)
"""Range in which log-odds rise by a standard deviation of the known patterns."""


class Logistic(NamedTuple):
    """p(single) = 1/(1 + exp(-score)), the score being linear in the embedding."""

    centre: Array
    """(d,) of the known embeddings"""
    scale: Array
    """(d,) their standard deviations"""
    coefficients: Array
    """(d + 1,) of the standardised embedding; the last one is the offset"""

    def scores(self, asked: Array) -> Array:
        """(n,) log-odds of a single hit, for embeddings (n, d), where both classes are as frequent."""
        return _with_ones((asked - self.centre) / self.scale) @ self.coefficients

    def surer(self, factor: float) -> "Logistic":
        """The same side of one half for every pattern, and log-odds so many times as large."""
        return self._replace(coefficients=factor * self.coefficients)


def fit(support: SupportSet) -> Logistic:
    """Logistic regression on many known patterns.

    Of several networks beside each other each has a regression of its own, and the log-odds are their mean: weighed by
    one regression, the network that knows the known patterns best would outvote the others on patterns that none knows.
    Coefficients have a normal prior about zero, with `WEIGHT_OF_PRIOR`: one pattern's worth against all of `known`.
    """
    support.must_have_both()
    if len(support.widths) > 1:
        ends = np.cumsum(support.widths)[:-1]
        blocks = np.split(support.embeddings, ends, axis=1)
        return _mean([fit(SupportSet(block, support.is_single)) for block in blocks])
    embeddings = support.embeddings.astype(np.float64)
    centre, scale = embeddings.mean(axis=0), embeddings.std(axis=0)
    # A component that never changes tells nothing. Not `scale == 0`: the mean of equal values is rounded.
    scale[embeddings.max(axis=0) == embeddings.min(axis=0)] = 1.0
    start = np.zeros(embeddings.shape[1] + 1)
    return Logistic(centre, scale, _posterior((embeddings - centre) / scale, support.is_single, start))


def _mean(fitted: list[Logistic]) -> Logistic:
    """Of embeddings in a row, whose log-odds are the mean of what was fitted to each."""
    slopes = [one.coefficients[:-1] / len(fitted) for one in fitted]
    offset = np.mean([one.coefficients[-1] for one in fitted])
    return Logistic(
        np.concatenate([one.centre for one in fitted]),
        np.concatenate([one.scale for one in fitted]),
        np.append(np.concatenate(slopes), offset),
    )


def adapt(fitted: Logistic, labelled: SupportSet) -> Logistic:
    """What was fitted elsewhere, corrected by a few labelled patterns of the sample at hand.

    The posterior of the same regression: coefficients have a normal prior, with `WEIGHT_OF_PRIOR`, about those fitted.
    So without labels nothing changes, and many labels have the last word.
    """
    labelled.must_have_both()
    standardised = (labelled.embeddings.astype(np.float64) - fitted.centre) / fitted.scale
    return fitted._replace(coefficients=_posterior(standardised, labelled.is_single, fitted.coefficients))


def probability(scores: Array, single_share: float = 0.5) -> Array:
    """(n,) probabilities of a single hit, of log-odds (n,), where this share of all hits are single.

    ValueError unless the share lies between 0 and 1.
    """
    if not 0 < single_share < 1:
        raise ValueError(f"single_share is {single_share}, expected a number between 0 and 1")
    return expit(scores + np.log(single_share / (1 - single_share)))


def by_regression(support: SupportSet) -> Scores:
    """Log-odds of `fit`."""
    return fit(support).scores


def _posterior(embeddings: Array, is_single: NDArray[np.bool_], prior: Array) -> Array:
    """(d + 1,) most probable coefficients, by Newton's method: the problem is convex.

    Patterns are weighed so that both classes have half of their number.
    """
    features, weight = _with_ones(embeddings), _weights(is_single)
    sign = np.where(is_single, 1.0, -1.0)
    # No pattern moves the coefficients but along its own features: of few patterns, few directions are to be found.
    basis = np.linalg.qr(features.T)[0] if len(features) < len(prior) else np.eye(len(prior))
    along, before_any = features @ basis, features @ prior

    def cost(moved: Array) -> float:
        return float(
            weight @ np.logaddexp(0, -sign * (before_any + along @ moved))
            + WEIGHT_OF_PRIOR / 2 * np.square(moved).sum()
        )

    moved = np.zeros(basis.shape[1])
    for _ in range(100):
        p = expit(before_any + along @ moved)
        gradient = along.T @ (weight * (p - is_single)) + WEIGHT_OF_PRIOR * moved
        curvature = (along * (weight * p * (1 - p))[:, None]).T @ along
        step = np.linalg.solve(curvature + WEIGHT_OF_PRIOR * np.eye(len(moved)), gradient)
        length, before = 1.0, cost(moved)
        while cost(moved - length * step) > before and length > 1e-6:
            length /= 2  # a full step may overshoot where the classes are far apart
        moved = moved - length * step
        if np.abs(gradient).max() < 1e-8 * len(features):
            break
    return prior + basis @ moved


def _with_ones(embeddings: Array) -> Array:
    return np.concatenate([embeddings, np.ones((len(embeddings), 1))], axis=1)
