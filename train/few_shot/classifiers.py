"""Single or multiple, from embeddings: of labelled patterns, and, where there are, a few of a new sample.

A classifier is fitted to known patterns, once, and gives a function from embeddings of new patterns (n, d) to
scores (n,): a pattern is called single where its score is positive. Classes weigh alike, however many patterns of each
are known.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from train.few_shot.logistic import STEEPNESS, WEIGHT_OF_PRIOR, Logistic, by_regression
from train.few_shot.support import SupportSet, _means, _weights, squared_distances

Array = NDArray[np.floating]
Scores = Callable[[Array], Array]
"""Embeddings of new patterns (n, d) -> (n,)."""


N_NEIGHBOURS = 15
"""That vote, at most; an odd number, so that classes of one size never tie."""


def by_centroid(support: SupportSet) -> Scores:
    """Squared distance to the mean of the known multiple hits, less that to the mean of the single ones."""
    single, multiple = _means(support)
    return lambda asked: np.square(asked - multiple).sum(axis=1) - np.square(asked - single).sum(axis=1)


def between_means(support: SupportSet) -> Logistic:
    """Log-odds of a single hit that are zero where `by_centroid` is, midway between the two means, and rise along it.

    Only how steeply is fitted to the known patterns, by the likelihood, under the prior of `fit`. Of structures
    that nobody trained on this is right more often than `fit`, which follows the known ones more closely
    (docs/results/twins.md).
    """
    support = support._replace(embeddings=support.embeddings.astype(np.float64))
    single, multiple = _means(support)
    centre, along = (single + multiple) / 2, 2 * (single - multiple)
    scores = (support.embeddings - centre) @ along
    spread, weight = max(scores.std(), np.finfo(float).tiny), _weights(support.is_single)
    towards = np.where(support.is_single, scores, -scores) / spread

    def cost(log_steepness: float) -> float:
        steepness = np.exp(log_steepness)
        return float(weight @ np.logaddexp(0, -steepness * towards) + WEIGHT_OF_PRIOR / 2 * steepness**2)

    steepness = np.exp(minimize_scalar(cost, bounds=STEEPNESS, method="bounded").x) / spread
    return Logistic(centre, np.ones(len(along)), np.append(steepness * along, 0.0))


def by_nearest(support: SupportSet) -> Scores:
    """Squared distance to the nearest known multiple hit, less that to the nearest single one."""
    support.must_have_both()

    def nearest(asked: Array, which: NDArray[np.bool_]) -> Array:
        return np.concatenate([block.min(axis=1) for block in squared_distances(support.embeddings[which], asked)])

    return lambda asked: nearest(asked, ~support.is_single) - nearest(asked, support.is_single)


def by_neighbours(support: SupportSet) -> Scores:
    """Single hits among the nearest known patterns, weighed so that classes are alike, less multiple ones.

    No more vote than either class has: were all of them to, they would say the same of every pattern.
    """
    support.must_have_both()
    share = support.is_single.mean()
    n_fewer = int(min(support.is_single.sum(), (~support.is_single).sum()))
    n = min(N_NEIGHBOURS, n_fewer - (n_fewer + 1) % 2)
    vote = np.where(support.is_single, 0.5 / share, -0.5 / (1 - share))

    def scores(asked: Array) -> Array:
        blocks = squared_distances(support.embeddings, asked)
        nearest = [np.argpartition(block, n - 1, axis=1)[:, :n] for block in blocks]
        return vote[np.concatenate(nearest)].mean(axis=1)

    return scores


CLASSIFIERS: Mapping[str, Callable[[SupportSet], Scores]] = {
    "centroid": by_centroid,
    "nearest": by_nearest,
    "neighbours": by_neighbours,
    "regression": by_regression,
}
