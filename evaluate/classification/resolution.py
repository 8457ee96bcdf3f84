"""The detector in terms of resolution, s = |q|/2π = 1/d [nm⁻¹]."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from frames.geometry import Geometry

NM_PER_ANGSTROM = 0.1


@dataclass(frozen=True)
class Resolution:
    """How far the detector reaches, and how finely it samples."""

    s: NDArray[np.float64]
    """(ny, nx) of every pixel's centre [nm⁻¹]."""
    usable: NDArray[np.bool_]
    """(ny, nx) False where masked."""
    pixel: float
    """Width of a pixel, where it is largest [nm⁻¹]."""

    @classmethod
    def of(cls, geometry: Geometry) -> Self:
        """From scattering vectors."""
        per_nm = 1 / (2 * np.pi * NM_PER_ANGSTROM)
        return cls(np.linalg.norm(geometry.q, axis=-1) * per_nm, ~geometry.mask, geometry.q_step * per_nm)

    @property
    def edge_nm(self) -> float:
        """Resolution at the middle of the nearest edge: rings are whole up to there."""
        border = np.concatenate([self.s[0], self.s[-1], self.s[:, 0], self.s[:, -1]])
        return float(1 / border.min())

    @property
    def ring_middles(self) -> NDArray[np.float64]:
        """(n_rings,) of the rings around the beam, a pixel wide, that lie within the edge [nm⁻¹]."""
        return np.arange(0.5, int(1 / self.edge_nm / self.pixel)) * self.pixel

    def radial_mean(self, pattern: NDArray) -> NDArray[np.float64]:
        """(n_rings,) mean of a pattern (ny, nx) over the usable pixels of each ring; NaN for a ring without any."""
        ring = (self.s[self.usable] / self.pixel).astype(int)
        n_rings = len(self.ring_middles)
        total = np.bincount(ring, pattern[self.usable], minlength=n_rings)[:n_rings]
        pixels = np.bincount(ring, minlength=n_rings)[:n_rings]
        return np.divide(total, pixels, out=np.full(n_rings, np.nan), where=pixels > 0)
