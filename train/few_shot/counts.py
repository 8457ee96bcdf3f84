"""How many particles, from embeddings: log-probabilities for the selector (train/few_shot/selector.py)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

Array = NDArray[np.floating]

WEIGHT_OF_PRIOR = 1.0
"""Precision of the normal prior about the coefficients, in units where the known embeddings have variance 1."""


class Counts(NamedTuple):
    """A multinomial logistic regression: log-probabilities are linear in the embedding, but for their norm."""

    centre: Array
    """(d,) of the known embeddings"""
    scale: Array
    """(d,) their standard deviations"""
    coefficients: Array
    """(d + 1, k) of the standardised embedding, the last row being offsets"""

    def log_p(self, embeddings: Array) -> Array:
        """(n, k) natural logarithms of the probabilities of 1, 2, ..., k particles, where each known one is as
        frequent, for embeddings (n, d)."""
        scores = _with_ones((embeddings - self.centre) / self.scale) @ self.coefficients
        return scores - logsumexp(scores, axis=1, keepdims=True)


def fit_counts(embeddings: Array, hit_multiplicity: NDArray[np.integer]) -> Counts:
    """The regression of known patterns (n, d), by their likelihood under a normal prior about zero.

    Numbers weigh alike, but for single hits, which weigh as much as all others together, as they are to be told from.

    Raises
    ------
    ValueError unless the numbers are 1, 2, ..., k, all of them there, k at least 2.
    """
    numbers, codes = np.unique(hit_multiplicity, return_inverse=True)
    k = len(numbers)
    if k < 2 or not np.array_equal(numbers, np.arange(1, k + 1)):
        raise ValueError(f"known patterns are of {numbers.tolist()} particles, expected 1, 2, ... without a gap")
    known = embeddings.astype(np.float64)
    centre, scale = known.mean(axis=0), known.std(axis=0)
    scale[known.max(axis=0) == known.min(axis=0)] = 1.0
    features = _with_ones((known - centre) / scale)
    of_class = np.array([0.5, *[0.5 / (k - 1)] * (k - 1)]) / np.bincount(codes)
    weight = len(known) * of_class[codes]
    right = np.eye(k)[codes]

    def cost(flat: Array) -> tuple[float, Array]:
        coefficients = flat.reshape(-1, k)
        scores = features @ coefficients
        log_p = scores - logsumexp(scores, axis=1, keepdims=True)
        value = -(weight[:, None] * right * log_p).sum() + WEIGHT_OF_PRIOR / 2 * np.square(coefficients).sum()
        slope = features.T @ (weight[:, None] * (np.exp(log_p) - right)) + WEIGHT_OF_PRIOR * coefficients
        return float(value), slope.ravel()

    start = np.zeros(features.shape[1] * k)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return Counts(centre, scale, found.x.reshape(-1, k))


def _with_ones(embeddings: Array) -> Array:
    return np.concatenate([embeddings, np.ones((len(embeddings), 1))], axis=1)
