"""The random numbers of `frames.rng`, for compiled loops."""

import math

import numpy as np
from numba import njit, uint64

from frames.rng import GAMMA, MULTIPLIERS

_compiled = njit(error_model="numpy", cache=True)

_GAMMA, _FIRST, _SECOND = np.uint64(GAMMA), np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])


@njit(inline="always")
def bits(state, index):
    """The number at place `index`, from 0, of the stream that starts at `state`: 64 random bits."""
    value = uint64(state) + (uint64(index) + uint64(1)) * _GAMMA
    value = (value ^ (value >> uint64(30))) * _FIRST
    value = (value ^ (value >> uint64(27))) * _SECOND
    return value ^ (value >> uint64(31))


@njit(inline="always")
def uniform(state, index):
    """The same as a number in (0, 1)."""
    return (np.float64(bits(state, index) >> uint64(11)) + 0.5) * 2.0**-53


@_compiled
def uniforms(state, begin, u):
    """The uniform numbers at places `begin` and on, into u (n,): a loop of its own, which the compiler vectorises."""
    for i in range(u.shape[0]):
        u[i] = uniform(state, uint64(begin + i))


@_compiled
def poisson_by_summing(mean, u):
    """The count at which the Poisson distribution function passes u: for means so small that there are few terms."""
    probability = math.exp(-mean)
    below = probability
    count = 0
    while u >= below and probability > 0.0:
        count += 1
        probability *= mean / count
        below += probability
    return count
