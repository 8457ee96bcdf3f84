"""What labels mean wherever patterns lie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

NO_STRUCTURE = "none"
"""What a shot without a particle is called in place of a structure's id."""


SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Label:
    """One value, or one array, for every pattern; of a map of the detector, for every pixel."""

    values: NDArray = field(repr=False)
    """(n, ...)"""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """`units`, `long_name`; `flag_meanings` where the values are codes, which index it."""
