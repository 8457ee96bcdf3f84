"""The random numbers of `randomness`, for compiled loops."""

import numpy as np
from numba import njit, uint64

from frames.rng import GAMMA, MULTIPLIERS

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
