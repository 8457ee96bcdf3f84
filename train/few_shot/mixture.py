"""Two clouds of embeddings, found without labels."""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from train.few_shot.support import SupportSet

Array = NDArray[np.floating]


SETTLING = 100
"""Steps, at most, of what a sample's patterns move."""


IN_A_CLOUD = 3
"""Patterns, at least, that a cloud of a mixture begins with."""


WIDENED = 0.02
"""Variance added to that of a cloud, in units of the sample's: of a cloud of few patterns it would be nothing."""


TINY = 1e-12
"""Below it probabilities are alike."""


def settled(known: Array, hit_multiplicity: NDArray[np.integer], asked: Array) -> Array:
    """(n,) squared distance to the nearest mean of multiple hits, less that to the mean of single ones, all settled.

    Each hit multiplicity of the known patterns (m, d) has a mean, and the means move to where the new patterns
    lie: Lloyd's algorithm. It needs no label of the new sample, but many of its patterns, single and multiple
    hits among them. A mean that no pattern is nearest to stays.

    Parameters
    ----------
    hit_multiplicity : (m,) of the known patterns. asked : (n, d).
    """
    SupportSet(known, hit_multiplicity == 1).must_have_both()
    numbers = np.unique(hit_multiplicity)
    means = np.array([known[hit_multiplicity == number].mean(axis=0) for number in numbers], float)

    def squared() -> Array:
        return np.square(asked[:, None] - means).sum(axis=2)

    nearest = squared().argmin(axis=1)
    for _ in range(SETTLING):
        for index in np.unique(nearest):
            means[index] = asked[nearest == index].mean(axis=0)
        before, nearest = nearest, squared().argmin(axis=1)
        if (nearest == before).all():
            break
    return squared()[:, numbers != 1].min(axis=1) - squared()[:, numbers == 1][:, 0]


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
