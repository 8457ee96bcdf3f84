"""Poisson samples in compiled loops, every pixel from its own place in the pattern's stream."""

import math

import numpy as np
from numba import njit, prange, uint64

from frames.rng.compiled import poisson_by_summing, uniform, uniforms

_compiled = njit(error_model="numpy", cache=True)

FEW = 10.0
"""Means from here on are sampled by rejection; below, by summing probabilities."""

AT_ONCE = 512
"""Pixels whose random numbers are made together."""


@_compiled
def _by_rejection(mean, state, place, stride):
    """Transformed rejection with squeeze, PTRS of Hörmann 1993, Insurance: Mathematics and Economics 12, 39-45."""
    root, log_mean = math.sqrt(mean), math.log(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u = uniform(state, place) - 0.5
        v = uniform(state, place + stride)
        place += uint64(2) * stride
        near = 0.5 - abs(u)
        count = math.floor((2.0 * a / near + b) * u + mean + 0.43)
        if near >= 0.07 and v <= v_r:
            return count
        if count < 0 or (near < 0.013 and v > near):
            continue
        if math.log(v * inverse_alpha / (a / (near * near) + b)) <= count * log_mean - mean - math.lgamma(count + 1.0):
            return count


@njit(error_model="numpy", parallel=True, cache=True)
def sample(expected, states, largest, photons):
    """Poisson counts of expected photons (n, pixels) into photons (n, pixels) uint16, none above `largest`.

    Returns
    -------
    The greatest count there was, before it was cut to `largest`.
    """
    n_pixels = expected.shape[1]
    greatest = np.zeros(expected.shape[0], dtype=np.int64)
    for pattern in prange(expected.shape[0]):
        means, counts, state = expected[pattern], photons[pattern], states[pattern]
        u = np.empty(AT_ONCE, dtype=np.float64)
        lit = np.empty(AT_ONCE, dtype=np.int64)
        most = 0
        for begin in range(0, n_pixels, AT_ONCE):
            end = min(begin + AT_ONCE, n_pixels)
            uniforms(state, begin, u)
            counts[begin:end] = 0
            # exp(-mean) >= 1 - mean: most dim pixels hold nothing, and need no exponential to know it.
            n_lit = np.int64(0)
            for pixel in range(begin, end):
                lit[n_lit] = pixel  # without a branch, which would be mispredicted at every photon
                n_lit += np.int64(u[pixel - begin] >= 1.0 - np.float64(means[pixel]))
            for pixel in lit[:n_lit]:
                mean = np.float64(means[pixel])
                if mean < FEW:
                    count = poisson_by_summing(mean, u[pixel - begin])
                else:
                    count = _by_rejection(mean, state, uint64(pixel), uint64(n_pixels))
                most = max(most, count)
                counts[pixel] = min(count, largest)
        greatest[pattern] = most
    return greatest.max() if len(greatest) else 0
