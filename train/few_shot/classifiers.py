"""Single or multiple, from embeddings: of patterns whose answer is known, and, where there are, a few of a new sample.

A classifier learns from known patterns, once, and gives a function from embeddings asked about (n, d) to scores (n,): a
pattern is called single where its score is positive. Classes weigh alike, however many patterns of each are known.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from train.few_shot.logistic import STEEPNESS, WEIGHT_OF_PRIOR, Logistic, by_regression
from train.few_shot.support import Known, _means, _weights, squared_distances

Array = NDArray[np.floating]
Scores = Callable[[Array], Array]
"""Embeddings asked about (n, d) -> (n,)."""


N_NEIGHBOURS = 15
"""That vote, at most; an odd number, so that classes of one size never tie."""


def by_centroid(known: Known) -> Scores:
    """Squared distance to the mean of the known multiple hits, less that to the mean of the single ones."""
    single, multiple = _means(known)
    return lambda asked: np.square(asked - multiple).sum(axis=1) - np.square(asked - single).sum(axis=1)


def between_means(known: Known) -> Logistic:
    """Log-odds of a single hit that are zero where `by_centroid` is, midway between the two means, and rise along it.

    Only how steeply is learned from the known patterns, by the likelihood, under the prior of `learn`. Of structures
    that nobody trained on this is right more often than `learn`, which follows the known ones more closely
    (docs/results/twins.md).
    """
    known = known._replace(embeddings=known.embeddings.astype(np.float64))
    single, multiple = _means(known)
    centre, along = (single + multiple) / 2, 2 * (single - multiple)
    scores = (known.embeddings - centre) @ along
    spread, weight = max(scores.std(), np.finfo(float).tiny), _weights(known.is_single)
    towards = np.where(known.is_single, scores, -scores) / spread

    def cost(log_steepness: float) -> float:
        steepness = np.exp(log_steepness)
        return float(weight @ np.logaddexp(0, -steepness * towards) + WEIGHT_OF_PRIOR / 2 * steepness**2)

    steepness = np.exp(minimize_scalar(cost, bounds=STEEPNESS, method="bounded").x) / spread
    return Logistic(centre, np.ones(len(along)), np.append(steepness * along, 0.0))


def by_nearest(known: Known) -> Scores:
    """Squared distance to the nearest known multiple hit, less that to the nearest single one."""
    known.must_have_both()

    def nearest(asked: Array, which: NDArray[np.bool_]) -> Array:
        return np.concatenate([block.min(axis=1) for block in squared_distances(known.embeddings[which], asked)])

    return lambda asked: nearest(asked, ~known.is_single) - nearest(asked, known.is_single)


def by_neighbours(known: Known) -> Scores:
    """Single hits among the nearest known patterns, weighed so that classes are alike, less multiple ones.

    No more vote than either class has: were all of them to, they would say the same of every pattern.
    """
    known.must_have_both()
    share = known.is_single.mean()
    n_fewer = int(min(known.is_single.sum(), (~known.is_single).sum()))
    n = min(N_NEIGHBOURS, n_fewer - (n_fewer + 1) % 2)
    vote = np.where(known.is_single, 0.5 / share, -0.5 / (1 - share))

    def scores(asked: Array) -> Array:
        nearest = [np.argpartition(block, n - 1, axis=1)[:, :n] for block in squared_distances(known.embeddings, asked)]
        return vote[np.concatenate(nearest)].mean(axis=1)

    return scores


CLASSIFIERS: Mapping[str, Callable[[Known], Scores]] = {
    "centroid": by_centroid,
    "nearest": by_nearest,
    "neighbours": by_neighbours,
    "regression": by_regression,
}
