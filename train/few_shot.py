"""Single or multiple, from embeddings: of patterns whose answer is known, and, where there are, a few of a new sample.

A classifier learns from known patterns, once, and gives a function from embeddings asked about (n, d) to scores (n,): a
pattern is called single where its score is positive. Classes weigh alike, however many patterns of each are known.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

Array = NDArray[np.floating]

Scores = Callable[[Array], Array]
"""Embeddings asked about (n, d) -> (n,)."""

N_NEIGHBOURS = 15
"""That vote, at most; an odd number, so that classes of one size never tie."""

WEIGHT_OF_PRIOR = 1.0
"""Precision of the normal prior about the coefficients, in units where the known embeddings have variance 1."""

STEEPNESS = np.log(1e-3), np.log(1e3)
"""Range in which log-odds rise by a standard deviation of the known patterns."""

SETTLING = 100
"""Steps, at most, of what a sample's patterns move."""

IN_A_CLOUD = 3
"""Patterns, at least, that a cloud of a mixture begins with."""

WIDENED = 0.02
"""Variance added to that of a cloud, in units of the sample's: of a cloud of few patterns it would be nothing."""

TINY = 1e-12
"""Below it probabilities are alike."""

AT_ONCE = 1024
"""Patterns whose distances to all known ones are held together."""


class Known(NamedTuple):
    """Patterns whose answer is known."""

    embeddings: Array
    """(n, d)"""
    is_single: NDArray[np.bool_]
    """(n,)"""

    def must_have_both(self) -> "Known":
        """Itself; ValueError where one of the two classes has no pattern."""
        n_single = int(self.is_single.sum())
        if not 0 < n_single < len(self.is_single):
            raise ValueError(
                f"{n_single} of {len(self.is_single)} known patterns are single hits; label at least one single hit "
                "and one multiple hit"
            )
        return self


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


def learn(known: Known) -> Logistic:
    """Logistic regression on many known patterns.

    Coefficients have a normal prior about zero, with `WEIGHT_OF_PRIOR`: one pattern's worth against all of `known`.
    """
    known.must_have_both()
    embeddings = known.embeddings.astype(np.float64)
    centre, scale = embeddings.mean(axis=0), embeddings.std(axis=0)
    # A component that never changes tells nothing. Not `scale == 0`: the mean of equal values is rounded.
    scale[embeddings.max(axis=0) == embeddings.min(axis=0)] = 1.0
    start = np.zeros(embeddings.shape[1] + 1)
    return Logistic(centre, scale, _posterior((embeddings - centre) / scale, known.is_single, start))


def adapt(learned: Logistic, labelled: Known) -> Logistic:
    """What was learned elsewhere, corrected by a few labelled patterns of the sample at hand.

    The posterior of the same regression: coefficients have a normal prior, with `WEIGHT_OF_PRIOR`, about those learned.
    So without labels nothing changes, and many labels have the last word.
    """
    labelled.must_have_both()
    standardised = (labelled.embeddings.astype(np.float64) - learned.centre) / learned.scale
    return learned._replace(coefficients=_posterior(standardised, labelled.is_single, learned.coefficients))


def probability(scores: Array, single_share: float = 0.5) -> Array:
    """(n,) probabilities of a single hit, of log-odds (n,), where this share of all hits are single.

    ValueError unless the share lies between 0 and 1.
    """
    if not 0 < single_share < 1:
        raise ValueError(f"single_share is {single_share}, expected a number between 0 and 1")
    return expit(scores + np.log(single_share / (1 - single_share)))


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


def by_regression(known: Known) -> Scores:
    """Log-odds of `learn`."""
    return learn(known).scores


def settled(known: Array, hit_multiplicity: NDArray[np.integer], asked: Array) -> Array:
    """(n,) squared distance to the nearest mean of multiple hits, less that to the mean of single ones, all settled.

    Each hit multiplicity of the known patterns (m, d) has a mean, and the means move to where the patterns asked about
    lie: Lloyd's algorithm. It needs no label of the sample asked about, but many of its patterns, single and multiple
    hits among them. A mean that no pattern is nearest to stays.

    Parameters
    ----------
    hit_multiplicity : (m,) of the known patterns. asked : (n, d).
    """
    Known(known, hit_multiplicity == 1).must_have_both()
    numbers = np.unique(hit_multiplicity)
    means = np.array([known[hit_multiplicity == number].mean(axis=0) for number in numbers], float)
    nearest = np.full(len(asked), -1)
    for _ in range(SETTLING):
        squared = np.square(asked[:, None] - means).sum(axis=2)
        before, nearest = nearest, squared.argmin(axis=1)
        if (nearest == before).all():
            break
        for index in np.unique(nearest):
            means[index] = asked[nearest == index].mean(axis=0)
    squared = np.square(asked[:, None] - means).sum(axis=2)
    return squared[:, numbers != 1].min(axis=1) - squared[:, numbers == 1][:, 0]


def by_mixture(scores: Array, photons: Array) -> Array:
    """(n,) log-odds of a single hit, by how a sample's patterns lie in score and brightness, none of them labelled.

    Single hits are one normal cloud and multiple ones another, of any shape and share; the scores say where to begin,
    expectation maximisation the rest. So it finds where this sample's single hits end, and, where the fluence is
    steady, that they have fewer photons. It ends where a step adds less than 1e-6 to a pattern's mean log-likelihood;
    of a hundred patterns, those between the clouds may still be on their way then. The sample needs single and multiple
    hits: where the scores expect fewer than `IN_A_CLOUD` of either, they stay as they are.

    Parameters
    ----------
    scores : log-odds of a single hit. photons : (n,) that the detector read.
    """
    from sklearn.exceptions import ConvergenceWarning  # the rest runs without scikit-learn
    from sklearn.mixture import GaussianMixture

    begin = np.stack([expit(scores), expit(-scores)])
    n = begin.sum(axis=1)
    if n.min() < IN_A_CLOUD:
        return scores
    features = np.stack([scores, np.log(np.maximum(photons, 1.0))], axis=1).astype(np.float64)
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    means = begin @ features / n[:, None]
    apart = features - means[:, None]
    covariances = np.einsum("kn,kni,knj->kij", begin, apart, apart) / n[:, None, None] + WIDENED * np.eye(2)
    mixture = GaussianMixture(
        n_components=2,
        reg_covar=WIDENED,
        tol=1e-6,
        max_iter=SETTLING,
        weights_init=n / n.sum(),
        means_init=means,
        precisions_init=np.linalg.inv(covariances),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what moves after so many steps, moves little
        single, multiple = mixture.fit(features).predict_proba(features).T
    return np.log(np.maximum(single, TINY)) - np.log(np.maximum(multiple, TINY))


CLASSIFIERS: Mapping[str, Callable[[Known], Scores]] = {
    "centroid": by_centroid,
    "nearest": by_nearest,
    "neighbours": by_neighbours,
    "regression": by_regression,
}


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


def _means(known: Known) -> tuple[Array, Array]:
    """(d,) of the single hits, and of the multiple ones."""
    known.must_have_both()
    return known.embeddings[known.is_single].mean(axis=0), known.embeddings[~known.is_single].mean(axis=0)


def _weights(is_single: NDArray[np.bool_]) -> Array:
    """(n,) by which both classes have half of the patterns."""
    share = is_single.mean()
    return np.where(is_single, 0.5 / share, 0.5 / (1 - share))


def _with_ones(embeddings: Array) -> Array:
    return np.concatenate([embeddings, np.ones((len(embeddings), 1))], axis=1)


def squared_distances(known: Array, asked: Array) -> Iterator[Array]:
    """Squared distances (some, n) from patterns asked about to all known ones, a block after the other.

    In float64: far from the origin, the squares of float32 would leave nothing of the differences between patterns.
    """
    known = known.astype(np.float64)
    norm = np.square(known).sum(axis=1)
    for at in range(0, len(asked), AT_ONCE):
        block = asked[at : at + AT_ONCE].astype(np.float64)
        yield np.square(block).sum(axis=1)[:, None] + norm - 2 * block @ known.T
