"""Compiled loops of evaluate/limit/likelihood.py, for readings with Gaussian read noise.

The likelihood of a reading x is Σ_k t_k, with t_k = e^-λ λᵏ/k! N(x; k, σ), and t_k is log-concave in k. Where λ grows,
the greatest t_k moves to larger k, so the terms that matter for the least λ and for the greatest bound those between.
"""

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

CUT = 18.0
"""Terms less than e^-18 of the greatest are left out: together about 3e-8 of a pixel's likelihood, so at most 5e-4 of
the logarithm of the likelihood of 16,384 pixels."""

FAINT = 0.1
"""Where λ exp((x - ½)/σ²) is at most this, the logarithm of the sum is a polynomial of third degree in λ: the next
term is at most FAINT⁴/4 = 2.5e-5, and of most pixels and orientations a thousand times less."""

ROOM = 600.0
"""A product of float64 is taken into its logarithm before it may be less than e^-600."""

_compiled = njit(error_model="numpy", cache=True)
_parallel = njit(error_model="numpy", parallel=True, cache=True)


@_compiled
def _rise(k, x, log_rate, variance):
    """ln t_(k+1) - ln t_k."""
    return log_rate - math.log(k + 1.0) + (x - k - 0.5) / variance


@_compiled
def _greatest(x, log_rate, variance):
    """The k of the greatest t_k."""
    k = max(0, int(x))
    while _rise(k, x, log_rate, variance) > 0:
        k += 1
    while k > 0 and _rise(k - 1, x, log_rate, variance) < 0:
        k -= 1
    return k


@_compiled
def _window(x, log_low, log_high, variance):
    """The first and the last k that matters for any rate between these two."""
    first = _greatest(x, log_low, variance)
    below = 0.0
    while first > 0:
        below += _rise(first - 1, x, log_low, variance)
        if below > CUT:
            break
        first -= 1
    last = _greatest(x, log_high, variance)
    below = 0.0
    while True:
        below -= _rise(last, x, log_high, variance)
        if below > CUT:
            break
        last += 1
    return first, last


@_parallel
def survey(
    readings: NDArray[np.float32],
    log_low: NDArray[np.float64],
    log_high: NDArray[np.float64],
    log_factors: NDArray[np.float64],
    variance: float,
    faint: NDArray[np.float32],
    certain: NDArray[np.float64],
    degree: NDArray[np.int64],
) -> None:
    """Sort every reading into faint ones and others.

    readings (n, p); log_low and log_high (p,) of a pixel's rates; log_factors (n, 2), least and greatest of a pattern.
    Written: faint (3, n, p), coefficients of λ, λ² and λ³; certain (n, p), the first k that matters; degree (n, p), the
    last k less the first, and -1 where the pixel is faint.
    """
    q = math.exp(-1 / variance)
    for i in prange(readings.shape[0]):
        for j in range(readings.shape[1]):
            x = np.float64(readings[i, j])
            low, high = log_low[j] + log_factors[i, 0], log_high[j] + log_factors[i, 1]
            log_first = (x - 0.5) / variance
            if log_first + high <= math.log(FAINT):
                # With r the first coefficient, t_k/t_0 = (rλ)ᵏ q^(k(k-1)/2) / k!, and these are its cumulants.
                r = math.exp(log_first)
                faint[0, i, j] = r
                faint[1, i, j] = r * r * (q - 1) / 2
                faint[2, i, j] = r * r * r * (q * q * q - 3 * q + 2) / 6
                certain[i, j], degree[i, j] = 0, -1
            else:
                first, last = _window(x, low, high, variance)
                certain[i, j], degree[i, j] = first, last - first


@_parallel
def expand(
    readings: NDArray[np.float32],
    log_high: NDArray[np.float64],
    log_low: NDArray[np.float64],
    log_factors: NDArray[np.float64],
    variance: float,
    certain: NDArray[np.float64],
    pixel: NDArray[np.int64],
    start: NDArray[np.int64],
    begin: NDArray[np.int64],
    coefficients: NDArray[np.float64],
    fall: NDArray[np.float64],
    log_scale: NDArray[np.float64],
) -> None:
    """Polynomials of λ, one for every entry: a pixel of a pattern that is not faint.

    Entries of pattern i are start[i]:start[i + 1], and `pixel` says which they are; coefficients of entry e are
    begin[e]:begin[e + 1]. With K = certain, ln Σ t_k = -λ + K ln λ + log_scale + ln(polynomial), which is 1 for the
    greatest rate, and e^-fall for the least.
    """
    for i in prange(readings.shape[0]):
        for e in range(start[i], start[i + 1]):
            j = pixel[e]
            x, k = np.float64(readings[i, j]), certain[i, j]
            low, high = log_low[j] + log_factors[i, 0], log_high[j] + log_factors[i, 1]
            own = coefficients[begin[e] : begin[e + 1]]
            own[0] = 0.0
            for d in range(1, len(own)):
                own[d] = own[d - 1] + _rise(k + d - 1, x, 0.0, variance)
            at_high, at_low = 0.0, 0.0
            peak_high, peak_low = -np.inf, -np.inf
            for d in range(len(own)):
                peak_high, peak_low = max(peak_high, own[d] + d * high), max(peak_low, own[d] + d * low)
            for d in range(len(own)):
                at_high += math.exp(own[d] + d * high - peak_high)
                at_low += math.exp(own[d] + d * low - peak_low)
            log_at_high = peak_high + math.log(at_high)
            fall[e] = log_at_high - peak_low - math.log(at_low)
            for d in range(len(own)):
                own[d] = math.exp(own[d] - log_at_high)
            log_scale[e] = log_at_high - math.lgamma(k + 1.0) - (x - k) ** 2 / (2 * variance)


@njit(error_model="numpy", fastmath=True, parallel=True, cache=True)
def sum_logs(
    rates: NDArray[np.float32],
    factors: NDArray[np.float64],
    pixel: NDArray[np.int64],
    start: NDArray[np.int64],
    begin: NDArray[np.int64],
    coefficients: NDArray[np.float64],
    fall: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Add the logarithms of a pattern's polynomials, at every rate times every factor.

    rates (blocks, p, lanes), lanes orientations side by side; factors (n, c); sums (n, c, blocks, lanes). Polynomials
    are multiplied, and the logarithm taken of many at once.
    """
    lanes = rates.shape[2]
    for block in prange(rates.shape[0]):
        product, value = np.empty(lanes), np.empty(lanes)
        for i in range(factors.shape[0]):
            for c in range(factors.shape[1]):
                f, total = factors[i, c], sums[i, c, block]
                product[:] = 1.0
                room = ROOM
                for e in range(start[i], start[i + 1]):
                    room -= fall[e]
                    if room < 0:
                        for lane in range(lanes):
                            total[lane] += math.log(product[lane])
                        product[:] = 1.0
                        room = ROOM - fall[e]
                    rate, first = rates[block, pixel[e]], begin[e]
                    degree = begin[e + 1] - first - 1
                    if degree == 1:  # by far the most
                        a, b = coefficients[first], coefficients[first + 1] * f
                        for lane in range(lanes):
                            product[lane] *= a + b * rate[lane]
                    elif degree == 2:
                        a, b = coefficients[first], coefficients[first + 1] * f
                        b2 = coefficients[first + 2] * f * f
                        for lane in range(lanes):
                            product[lane] *= a + rate[lane] * (b + b2 * rate[lane])
                    else:
                        value[:] = coefficients[first + degree]
                        for d in range(degree - 1, -1, -1):
                            a = coefficients[first + d]
                            for lane in range(lanes):
                                value[lane] = value[lane] * (f * rate[lane]) + a
                        for lane in range(lanes):
                            product[lane] *= value[lane]
                for lane in range(lanes):
                    total[lane] += math.log(product[lane])
