"""skopi's beam and detector."""

import numpy as np
import skopi
from numpy.typing import NDArray

Array = NDArray[np.float64]


def make_beam(photon_energy_eV: float, focus_radius_um: float, photons_per_pulse: float) -> "skopi.Beam":
    """skopi's beam, polarised along x."""
    return skopi.Beam(photon_energy=photon_energy_eV, focus_radius=focus_radius_um * 1e-6, fluence=photons_per_pulse)


def make_detector(
    n_pixels: int, pixel_size_um: float, distance_mm: float, beam: "skopi.Beam"
) -> "skopi.SimpleSquareDetector":
    """skopi's square detector with the beam through its centre."""
    return skopi.SimpleSquareDetector(
        N_pixel=n_pixels, det_size=n_pixels * pixel_size_um * 1e-6, det_distance=distance_mm * 1e-3, beam=beam
    )


def detector_arrays(detector: "skopi.SimpleSquareDetector") -> dict[str, Array]:
    """Arrays of a detector that knows its beam, in our order and units.

    Returns
    -------
    `pixel_positions` (ny, nx, 3) [m], `q` (ny, nx, 3) [Å⁻¹], `solid_angle` (ny, nx) [sr], `polarisation` (ny, nx).
    """
    return {
        "pixel_positions": np.asarray(detector.pixel_position[0]),
        "q": 2 * np.pi * 1e-10 * np.asarray(detector.pixel_position_reciprocal[0]),
        "solid_angle": np.asarray(detector.solid_angle_per_pixel[0]),
        "polarisation": np.asarray(detector.polarization_correction[0]),
    }
