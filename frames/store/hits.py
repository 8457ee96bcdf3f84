"""What is asked of a crystal frame: whether it is a hit, by its visible spots."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frames.targets import Target

HIT_CLASSES = ("miss", "maybe", "hit")
"""Values of the target `hit`, in the order of their index; hit and maybe are one class where there are two."""

HIT_TARGET = Target("hit", HIT_CLASSES, kept="hit")
"""What is asked of a crystal frame."""

MAYBE, HIT = 4, 10
"""Fewest visible spots of what may be a hit, and of a hit: Ke et al. 2018, J. Synchrotron Rad. 25, 655."""


def hit_class(n_spots: ArrayLike) -> NDArray[np.int64]:
    """Index into HIT_CLASSES for numbers of visible spots (n,)."""
    return np.searchsorted([MAYBE, HIT], np.asarray(n_spots), side="right")
