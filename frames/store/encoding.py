"""What a count, or its mean, becomes when it is stored."""

import numpy as np
from numpy.typing import NDArray

NOT_A_COUNT = int(np.iinfo(np.uint16).max)
"""Stands for "never written" in a store."""

MAX_PHOTONS = NOT_A_COUNT - 1

ROUNDED_AT_ONCE = 2**14
"""Pixels, which stay in the cache for all four passes over them."""


def round_mantissa(values: NDArray[np.float32], bits: int = 12) -> NDArray[np.float32]:
    """Round to `bits` bits after the leading one: a relative error of at most 2^-(bits+1), and fewer bytes on disk."""
    drop = np.uint32(23 - bits)
    half, kept = np.uint32((1 << (22 - bits)) - 1), ~np.uint32((1 << (23 - bits)) - 1)
    rounded = values.copy()
    integers = rounded.ravel().view(np.uint32)
    for start in range(0, integers.size, ROUNDED_AT_ONCE):
        part = integers[start : start + ROUNDED_AT_ONCE]
        odd = (part >> drop) & np.uint32(1)
        part += half
        part += odd
        part &= kept
    return rounded
