"""Frames on rings and angles: photons of each bin, and how many live pixels it has.

Opposite places are one, |F(q)| = |F(-q)| (Friedel's law), so angles go over half a circle and a detector that misses a
half has bins all the same.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

AT_ONCE = 512
"""Frames that are summed together."""


class Frames(Protocol):
    """(n, ny, nx) photons: an array, or what reads blocks of one from a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray: ...


@dataclass(frozen=True)
class PolarBins:
    """Which pixel belongs to which ring and angle."""

    matrix: csr_array
    """(n_rings * n_angles, ny * nx) of 1 where a live pixel lies in a bin"""
    n_rings: int
    n_angles: int
    radius: NDArray[np.float64]
    """(n_rings,) middle of a ring [pixels]"""

    @property
    def live(self) -> NDArray[np.float32]:
        """(n_rings, n_angles) live pixels of each bin."""
        return self.matrix.sum(1).reshape(self.n_rings, self.n_angles).astype(np.float32)

    def of(self, frames: Frames, log: bool = False) -> NDArray[np.float32]:
        """(n, n_rings, n_angles) photons in the bins of frames (n, ny, nx); with `log` of log(photons + 1)."""
        summed = np.empty((len(frames), self.n_rings, self.n_angles), np.float32)
        for start in range(0, len(frames), AT_ONCE):
            some = np.maximum(np.asarray(frames[start : start + AT_ONCE], np.float32), 0)
            some = np.log1p(some) if log else some
            flat = some.reshape(len(some), -1).T
            summed[start : start + AT_ONCE] = (self.matrix @ flat).T.reshape(-1, self.n_rings, self.n_angles)
        return summed


def polar_bins(
    shape: tuple[int, int],
    centre: tuple[float, float],
    mask: NDArray[np.bool_] | None = None,
    n_rings: int = 26,
    n_angles: int = 72,
    r_min: float = 0,
    r_max: float | None = None,
) -> PolarBins:
    """Rings of equal width from r_min to r_max [pixels] about a centre (x, y) [pixels], angles over half a circle.

    r_max None goes to the pixel that is farthest along the nearer axis. ValueError where no live pixel is between.
    """
    y, x = np.indices(shape).reshape(2, -1)
    dx, dy = x - centre[0], y - centre[1]
    r = np.hypot(dx, dy)
    if r_max is None:
        r_max = float(min(np.abs(dx).max(), np.abs(dy).max())) + 0.5
    ring = np.floor((r - r_min) * n_rings / (r_max - r_min)).astype(int)
    angle = np.floor((np.arctan2(dy, dx) / np.pi % 1) * n_angles).astype(int) % n_angles
    live = np.ones(r.shape, bool) if mask is None else ~np.asarray(mask).ravel()
    pixel = np.flatnonzero((ring >= 0) & (ring < n_rings) & live)
    if not len(pixel):
        raise ValueError(
            f"no live pixel lies from {r_min:g} to {r_max:g} pixels of the centre {centre} of frames {shape}; "
            "check the centre and the mask"
        )
    where = (ring[pixel] * n_angles + angle[pixel], pixel)
    matrix = csr_array((np.ones(len(pixel), np.float32), where), (n_rings * n_angles, len(r)))
    radius = r_min + (np.arange(n_rings) + 0.5) * (r_max - r_min) / n_rings
    return PolarBins(matrix, n_rings, n_angles, radius)
