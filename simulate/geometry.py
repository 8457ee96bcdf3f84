"""Where the detector's pixels lie in reciprocal space, and what each of them collects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from simulate.beam import CLASSICAL_ELECTRON_RADIUS_M
from simulate.files import read_arrays, write_arrays

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


def scattering_vectors(pixel_positions: Array, wavelength: float) -> Array:
    """q = k_out − k_in [Å⁻¹] (..., 3) of points (..., 3) [m] in the lab frame, for a wavelength [Å]."""
    directions = pixel_positions / np.linalg.norm(pixel_positions, axis=-1, keepdims=True)
    return 2 * np.pi / wavelength * (directions - np.array([0.0, 0.0, 1.0]))


def beamstop_mask(n_pixels: int, radius_pixels: float) -> NDArray[np.bool_]:
    """(n, n) True for pixels whose centre is closer to the beam, at the middle of the image, than the radius."""
    offset = np.arange(n_pixels) - (n_pixels - 1) / 2
    return np.hypot(offset[:, None], offset[None, :]) < radius_pixels


def square_detector(
    *,
    photon_energy_eV: float,
    n_pixels: int,
    pixel_size_um: float,
    distance_mm: float,
    mask: NDArray[np.bool_] | None = None,
    live: Array | None = None,
) -> Geometry:
    """Geometry of a flat square detector with the beam through its centre, from skopi's detector.

    Parameters
    ----------
    mask : (n_pixels, n_pixels) True where unusable.
    live : (n_pixels, n_pixels) share of each pixel that counts photons; where masked it is none.

    Raises
    ------
    ValueError if the mask or the live shares have another shape than the detector.
    """
    from simulate import skopi_adapter as skopi  # beam, pixels and corrections; a loaded geometry does not need it
    from simulate.beam import wavelength

    shape = n_pixels, n_pixels
    mask = np.zeros(shape, dtype=bool) if mask is None else mask
    live = np.ones(shape) if live is None else live
    for name, given in (("mask", mask), ("live", live)):
        if given.shape != shape:
            raise ValueError(f"{name} has shape {given.shape}, expected {shape} as the detector")
    beam = skopi.make_beam(photon_energy_eV, focus_radius_um=1.0, photons_per_pulse=1.0)
    arrays = skopi.detector_arrays(skopi.make_detector(n_pixels, pixel_size_um, distance_mm, beam))
    positions, half = arrays["pixel_positions"], pixel_size_um * 1e-6 / 2

    def step(along: list[float]) -> Array:
        edge = half * np.array(along)
        lamda = wavelength(photon_energy_eV)
        return scattering_vectors(positions + edge, lamda) - scattering_vectors(positions - edge, lamda)

    return Geometry(
        q=arrays["q"],
        q_step_x=step([1.0, 0.0, 0.0]),
        q_step_y=step([0.0, 1.0, 0.0]),
        solid_angle=arrays["solid_angle"],
        polarisation=arrays["polarisation"],
        live=np.where(mask, 0.0, live),
        photon_energy_eV=photon_energy_eV,
        pixel_size_um=pixel_size_um,
        distance_mm=distance_mm,
    )
