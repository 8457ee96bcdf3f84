"""Where the detector's pixels lie in reciprocal space, and what each of them collects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from frames.files import read_arrays, write_arrays

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """One beam energy on one detector."""

    q: Array
    """(ny, nx, 3) scattering vectors of pixel centres [Å⁻¹]."""
    q_step_x: Array
    """(ny, nx, 3) change of q from one edge of the pixel to the other, along x [Å⁻¹]."""
    q_step_y: Array
    """(ny, nx, 3) the same along y."""
    solid_angle: Array
    """(ny, nx) [sr]."""
    polarisation: Array
    """(ny, nx) 1 − (n·x̂)²."""
    live: Array
    """(ny, nx) share of the pixel's area that counts photons: 1, 0 where it is unusable, between where a gap or the
    edge of a panel takes part of a binned pixel."""
    photon_energy_eV: float
    pixel_size_um: float
    """Edge of an image pixel."""
    distance_mm: float

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(ny, nx) True where a pixel is unusable."""
        return self.live == 0

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.live.shape[0], self.live.shape[1]

    @property
    def q_max(self) -> float:
        """Largest |q| of a pixel centre [Å⁻¹]."""
        return float(np.linalg.norm(self.q, axis=-1).max())

    @property
    def q_step(self) -> float:
        """Largest change of q across a pixel [Å⁻¹]: the coarsest sampling of the pattern."""
        return float(max(np.linalg.norm(step, axis=-1).max() for step in (self.q_step_x, self.q_step_y)))

    def photons_per_electron2(self) -> Array:
        """(ny, nx) expected photons for |F| = 1 electron at a fluence of 1 photon/µm²; 0 where masked."""
        thomson_um2 = (CLASSICAL_ELECTRON_RADIUS_M * 1e6) ** 2
        return thomson_um2 * self.solid_angle * self.polarisation * self.live

    def save(self, path: Path | str) -> None:
        """Write to an .npz file, atomically."""
        write_arrays(path, vars(self))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file written by `save`."""
        return cls(**read_arrays(path))


def flat(
    wavelength_A: float, distance_mm: float, pixel_size_um: float, row: float, column: float, live: Array
) -> Geometry:
    """A flat detector across the beam, which meets it at (row, column) [pixels], 0 the middle of the first; `live` of
    (ny, nx) as in `Geometry`."""
    y, x = np.mgrid[: live.shape[0], : live.shape[1]] - np.array((row, column))[:, None, None]
    step = 1e-3 * pixel_size_um / distance_mm
    direction = np.stack([x * step, y * step, np.ones_like(x)], -1)
    length = np.linalg.norm(direction, axis=-1)
    direction /= length[..., None]
    k = 2 * np.pi / wavelength_A
    even = np.zeros((*x.shape, 3))
    return Geometry(
        q=k * (direction - [0, 0, 1]),
        q_step_x=even + np.array([k * step, 0, 0]),
        q_step_y=even + np.array([0, k * step, 0]),
        solid_angle=step**2 / length**3,
        polarisation=1 - direction[..., 0] ** 2,
        live=live,
        photon_energy_eV=wavelength(1.0) / wavelength_A,
        pixel_size_um=pixel_size_um,
        distance_mm=distance_mm,
    )


CLASSICAL_ELECTRON_RADIUS_M = constants.physical_constants["classical electron radius"][0]


def wavelength(photon_energy_eV: float) -> float:
    """Wavelength [Å] of photons of this energy [eV], λ = hc/E."""
    return constants.h * constants.c / (photon_energy_eV * constants.eV) * 1e10
