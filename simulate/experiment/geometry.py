"""Where the detector's pixels lie in reciprocal space, and what each of them collects."""

import numpy as np
from numpy.typing import NDArray

from frames.geometry import Geometry

Array = NDArray[np.float64]


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
    from frames.geometry import wavelength
    from simulate.skopi.detector import (  # beam, pixels and corrections; a loaded geometry does not need it
        detector_arrays,
        make_beam,
        make_detector,
    )

    shape = n_pixels, n_pixels
    mask = np.zeros(shape, dtype=bool) if mask is None else mask
    live = np.ones(shape) if live is None else live
    for name, given in (("mask", mask), ("live", live)):
        if given.shape != shape:
            raise ValueError(f"{name} has shape {given.shape}, expected {shape} as the detector")
    beam = make_beam(photon_energy_eV, focus_radius_um=1.0, photons_per_pulse=1.0)
    arrays = detector_arrays(make_detector(n_pixels, pixel_size_um, distance_mm, beam))
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
