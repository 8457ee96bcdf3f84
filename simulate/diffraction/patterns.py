"""Expected photons of single and multi-hits: slices of the particles' volumes, summed coherently.

Shot of particles a, b, ... at positions d with orientations R, each in a fluence J of its own:

    F_a(q) = √J_a F(R_aᵀ q) exp(i q·d_a)
    I(q)   = Σ_a |F_a|² + Σ_{a≠b} F_a F_b* sinc(½ Δq_x·(d_a − d_b)) sinc(½ Δq_y·(d_a − d_b)),  sinc x = sin(x)/x

Δq_x and Δq_y are the changes of q across a pixel: the sinc factors are the average of the fringe between two particles
over the pixel. Fringes of wide aggregates are finer than a pixel, and sampling them at its centre would err by tens of
per cent. The slowly varying F_a are taken at the pixel's centre; they are sliced on a coarse grid and refined
(simulate/diffraction/refinement.py).

The detector is a plane of square pixels: with p the pixel's edge over the distance and (x, y) a pixel's place from
where the beam meets it, its direction is n = (xp, yp, 1)/√(1 + x²p² + y²p²), q = k (n − ẑ), its solid angle p² n_z³
and its polarisation factor 1 − n_x².
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from frames.geometry import CLASSICAL_ELECTRON_RADIUS_M, Geometry, wavelength
from simulate.diffraction.refinement import Refinement, refinements
from simulate.diffraction.volume import Volume, VolumeStack
from simulate.plan.shots import Shots

if TYPE_CHECKING:
    import torch

Backend = Literal["numba", "torch"]

BANDWIDTH_MARGIN = 1.1
"""Of the refined fields: for photon energies above the nominal one, and for the bend of q(x)."""

ATOM_RADIUS = 3.0
"""How far an atom's electrons reach beyond its centre [Å]: form factors vary across the detector too."""

REFINEMENT_SHARE = 0.25
"""Of the accuracy, the amplitude's error along each axis; along both, the intensity's is about twice as much."""


def expected_photons(
    volumes: VolumeStack, geometry: Geometry, shots: Shots, *, backend: Backend = "numba", device: str | None = None
) -> NDArray[np.float32]:
    """Expected photons per pixel, (n_shots, ny, nx) float32, 0 where the detector is masked.

    Parameters
    ----------
    backend : `numba` on the CPU, or `torch` on `device`, by default a GPU where there is one.

    Raises
    ------
    ValueError if the volumes end before the detector does.
    """
    if backend == "torch":
        return on_device(volumes, geometry, device)(shots).cpu().numpy()
    from simulate.diffraction import patterns_numba

    return patterns_numba.render(
        volumes, _refinements(volumes, geometry), shots, *_pulses(volumes, geometry, shots), _pixel(geometry),
        geometry.live.astype(np.float32),
    )  # fmt: skip


def on_device(
    volumes: VolumeStack, geometry: Geometry, device: "str | torch.device | None" = None
) -> "Callable[[Shots], torch.Tensor]":
    """A renderer that keeps volumes and detector on a device, and leaves there what it renders: (n, ny, nx) float32.

    Parameters
    ----------
    device : by default a GPU where there is one.
    """
    import torch

    from simulate.diffraction.patterns_torch import Optics, render

    optics = Optics.on(
        device or ("cuda" if torch.cuda.is_available() else "cpu"),
        volumes,
        _refinements(volumes, geometry),
        _pixel(geometry),
        geometry.live.astype(np.float32),
    )
    return lambda shots: render(optics, shots, *_pulses(volumes, geometry, shots))


def _pixel(geometry: Geometry) -> float:
    """Edge of a pixel over the detector's distance."""
    return 1e-3 * geometry.pixel_size_um / geometry.distance_mm


def _refinements(volumes: VolumeStack, geometry: Geometry) -> Refinement:
    bandwidths = BANDWIDTH_MARGIN * geometry.q_step * (volumes.radii + ATOM_RADIUS)
    return refinements(geometry.shape[1], tuple(bandwidths), tuple(REFINEMENT_SHARE * volumes.accuracies))


def _pulses(volumes: VolumeStack, geometry: Geometry, shots: Shots) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Wavenumbers (n,) [Å⁻¹], and of each particle (p,) photons^½ per electron for a pixel on the axis."""
    wavenumbers = 2 * math.pi / wavelength(1.0) * shots.photon_energy_eV
    needed = _largest_q(geometry, wavenumbers, shots.beam_centre)
    if volumes.q_max < needed * (1 - 1e-6):
        raise ValueError(
            f"a volume reaches q = {volumes.q_max:.4g} Å⁻¹, these shots {needed:.4g}; make the volume for this detector"
        )
    amplitudes = np.sqrt(shots.fluence) * CLASSICAL_ELECTRON_RADIUS_M * 1e6 * _pixel(geometry)
    return wavenumbers.astype(np.float32), amplitudes.astype(np.float32)


def field_at(volume: Volume, points: NDArray[np.float64]) -> NDArray[np.complex64]:
    """F at points q (..., 3) of the sample frame [Å⁻¹], each sliced from the volume; (...)."""
    from simulate.diffraction import patterns_numba

    return patterns_numba.slice_points(volume, points.reshape(-1, 3)).reshape(points.shape[:-1])


def _largest_q(geometry: Geometry, wavenumbers: NDArray, beam_centre: NDArray) -> float:
    """|q| = 2k sin(θ/2) of the pixel centre that lies farthest from the beam of any shot."""
    if not len(wavenumbers):
        return 0.0
    farthest = np.hypot(*((geometry.shape[1] - 1) / 2 + np.abs(beam_centre)).T) * _pixel(geometry)
    return float((2 * wavenumbers * np.sin(np.arctan(farthest) / 2)).max())
