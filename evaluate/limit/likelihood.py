"""How likely a pattern is, given what it may show: exactly, of the simulation's own detector.

A pixel of rate λ counts Poisson photons, and reads them as they are, or with Gaussian read noise σ:

    p(x | λ) = Σ_k e^-λ λᵏ/k! N(x; k, σ)

Pixels are independent, so a pattern's likelihood is their product, and its logarithm for R orientations and P patterns
is mostly matrix products: with K the photons that are surely there, -Σλ + Σ K ln λ, which is all where there is no read
noise. With it, a pixel adds the logarithm of a polynomial of λ, whose terms are those k that matter. Of most pixels
this logarithm is itself nearly a polynomial, and all of those again are matrix products; the others, where a photon may
be, are summed in compiled loops (evaluate/limit/likelihood_numba.py).
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BarycentricInterpolator
from scipy.special import gammaln, logsumexp

Array = NDArray[np.float64]

LEAST_RATE = 1e-30
"""[photons] Rates are no less than this, so that they have a logarithm."""

LANES = 64
"""Orientations that the compiled loops take together."""

INTERPOLATION_ERROR = 0.05
"""Of ln p, where the fluence is unknown."""


def log_likelihoods(
    readings: NDArray[np.float32], rates: NDArray[np.float32], read_noise: float, factors: Array
) -> Array:
    """ln p of every pattern under every orientation and fluence, (n, c, orientations).

    Parameters
    ----------
    readings :   (n, p), whole photons where read_noise is 0; 0 where masked.
    rates :      (orientations, p) expected photons at the nominal fluence; where masked 0, which changes nothing but a
        constant of all orientations.
    read_noise : standard deviation [photons].
    factors :    (n, c) of each pattern's own: fluence over the nominal one.

    Raises
    ------
    ValueError if shapes do not agree, or the read noise is so large that a pixel's sum leaves the range of float64.
    """
    n, pixels = readings.shape
    if rates.shape[1:] != (pixels,) or factors.shape[:1] != (n,):
        raise ValueError(
            f"readings {readings.shape}, rates {rates.shape} and factors {factors.shape} do not agree; "
            "expected (n, p), (orientations, p) and (n, c)"
        )
    rates = np.maximum(rates, np.float32(LEAST_RATE))
    if read_noise == 0:
        certain, constant = readings.astype(np.float64), -gammaln(readings.astype(np.float64) + 1).sum(axis=1)
        rest = np.zeros(())
    else:
        certain, constant, rest = _with_noise(readings, rates, read_noise, factors)
    lit = certain.any(axis=0)
    steady = certain[:, lit] @ np.log(rates[:, lit], dtype=np.float64).T + constant[:, None]
    photons = certain.sum(axis=1)[:, None] * np.log(factors)
    return steady[:, None] + photons[..., None] - factors[..., None] * rates.sum(axis=1, dtype=np.float64) + rest


def _with_noise(
    readings: NDArray[np.float32], rates: NDArray[np.float32], read_noise: float, factors: Array
) -> tuple[Array, Array, Array]:
    """Photons that are surely there (n, p), what no rate changes (n,), and the logarithms' sum (n, c, orientations)."""
    from evaluate.limit import likelihood_numba

    n, pixels = readings.shape
    variance = read_noise**2
    log_low, log_high = np.log(rates.min(axis=0), dtype=np.float64), np.log(rates.max(axis=0), dtype=np.float64)
    log_factors = np.log(np.stack([factors.min(axis=1), factors.max(axis=1)], axis=1))
    faint = np.zeros((3, n, pixels), dtype=np.float32)
    certain, degree = np.empty((n, pixels)), np.empty((n, pixels), dtype=np.int64)
    likelihood_numba.survey(readings, log_low, log_high, log_factors, variance, faint, certain, degree)

    pattern, pixel = (np.ascontiguousarray(found) for found in np.nonzero(degree >= 0))
    start = np.searchsorted(pattern, np.arange(n + 1))
    begin = np.concatenate([[0], np.cumsum(degree[pattern, pixel] + 1)])
    coefficients, fall, log_scale = np.empty(begin[-1]), np.empty(len(pixel)), np.empty(len(pixel))
    likelihood_numba.expand(
        readings, log_high, log_low, log_factors, variance, certain, pixel, start, begin, coefficients, fall, log_scale
    )
    if fall.max(initial=0) > likelihood_numba.ROOM:
        raise ValueError(f"read_noise_photons {read_noise:g}: a pixel's likelihood leaves float64; ask for less noise")

    # Orientations side by side, as the loops take them, of the pixels that they need; those that fill the last block up
    # are cut off again.
    used = (degree >= 0).any(axis=0)
    blocks = -(-len(rates) // LANES)
    padded = np.ones((blocks * LANES, used.sum()), dtype=np.float32)
    np.compress(used, rates, axis=1, out=padded[: len(rates)])
    side_by_side = np.ascontiguousarray(padded.reshape(blocks, LANES, -1).transpose(0, 2, 1))
    place = (np.cumsum(used) - 1)[pixel]
    sums = np.zeros((n, factors.shape[1], blocks, LANES))
    likelihood_numba.sum_logs(side_by_side, factors, place, start, begin, coefficients, fall, sums)
    rest = sums.reshape(n, factors.shape[1], -1)[:, :, : len(rates)]

    power = rates
    for order, part in enumerate(faint, start=1):
        rest += factors[..., None] ** order * (part @ power.T)[:, None]
        power = power * rates
    constant = np.bincount(pattern, log_scale, minlength=n) - pixels * math.log(read_noise * math.sqrt(2 * math.pi))
    constant -= np.where(degree < 0, np.square(readings, dtype=np.float64), 0).sum(axis=1) / (2 * variance)
    return certain, constant, rest


@dataclass(frozen=True)
class FluencePrior:
    """How likely each fluence factor is, on a grid as fine as patterns can tell, even in ln factor."""

    factors: Array
    """(f,) the grid."""
    log_weights: Array
    """(f,) ln of their probabilities, which sum to 1."""
    nodes: Array
    """(c,) factors at which a likelihood is to be known."""
    interpolation: Array
    """(f, c) from its logarithm at the nodes to the grid."""

    @classmethod
    def of(cls, factors: Array, photons: float) -> Self:
        """The prior of which these factors (m,) are draws.

        ln p is analytic in ln factor, but where a pixel's sum over photons is 0. All its zeros λ are negative (e^-ck²
        is a multiplier sequence: Pólya & Schur 1914), so none has an imaginary part of ln λ less than π: ln p is
        analytic in an ellipse of that half height about the interval, of half length l. There it is at most about as
        large as its greatest part, the expected photons; interpolated at c Chebyshev nodes it errs by at most
        4 M ρ^-c/(ρ - 1), M that bound and ρ = a + √(1 + a²), a = π/l (Trefethen 2013, Approximation Theory and
        Approximation Practice, theorem 8.2).

        Parameters
        ----------
        photons : in the brightest pattern, of a nominal pulse or a brighter one; 1 or more. It tells fluences apart
            that differ by 1/√photons.
        """
        logs = np.log(factors)
        low, high = logs.min(), logs.max()
        if high == low:
            return cls(np.exp([low]), np.zeros(1), np.exp([low]), np.ones((1, 1)))
        bins = math.ceil((high - low) * math.sqrt(photons))
        mass, edges = np.histogram(logs, max(bins, 2))
        grid, mass = (edges[:-1] + edges[1:])[mass > 0] / 2, mass[mass > 0]
        half = (high - low) / 2
        bound = photons * max(math.exp(high), 1.0) * math.exp(math.hypot(half, math.pi) - half)
        log_rho = math.asinh(math.pi / half)
        n = max(2, math.ceil(math.log(4 * bound / math.expm1(log_rho) / INTERPOLATION_ERROR) / log_rho))
        nodes = (low + high) / 2 + half * np.cos(np.pi * (np.arange(n) + 0.5) / n)
        interpolation = BarycentricInterpolator(nodes, np.eye(n))(grid)
        return cls(np.exp(grid), np.log(mass / mass.sum()), np.exp(nodes), interpolation)

    def marginal(self, at_nodes: Array) -> Array:
        """ln p whatever the fluence, (n, orientations), from ln p (n, c, orientations) at the nodes."""
        return np.stack([logsumexp(one.T @ self.interpolation.T + self.log_weights, axis=1) for one in at_nodes])


def log_mean(log_values: Array, n: int) -> Array:
    """ln of the mean of the first n along the last axis."""
    return logsumexp(log_values[..., :n], axis=-1) - math.log(n)
