"""What the checks share: molecules, the default experiment, and exact sums over atoms."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frames.geometry import Geometry, wavelength
from simulate.diffraction.volume import Volume, VolumeStack, exact_field, scattering_volume, sufficient_volume
from simulate.experiment.config import BeamConfig, DatasetConfig, DetectorConfig
from simulate.experiment.geometry import scattering_vectors, square_detector
from simulate.molecules.atoms import Atoms
from simulate.molecules.form_factors import coefficients, form_factor
from simulate.orientation import rotation_matrices
from simulate.plan.shots import Shots

Array = NDArray[np.float64]
Images = NDArray[np.float32]
Core = tuple[Array, Array, NDArray[np.int64], Array]
"""Positions, occupancies, species and coefficients, as simulate/diffraction/volume.py takes them."""

Render = Callable[[VolumeStack, Geometry, Shots], Images]
"""Expected photons (n, ny, nx); the simulation's own is `patterns.expected_photons`."""

ACCURACY = 1e-3
"""The config's default for volumes, and the limit that single hits are held to."""

MAX_GRID = 601

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class Molecule:
    """Centred atoms under the name that the page gives them."""

    name: str
    atoms: Atoms
    is_phantom: bool = True

    @property
    def label(self) -> str:
        """Name, and whether it is real."""
        return f"{self.name} ({'phantom' if self.is_phantom else 'deposited'}, {len(self.atoms):,} atoms)"

    @property
    def core(self) -> Core:
        """The atoms as the simulation's core takes them."""
        elements, species = np.unique(self.atoms.elements, return_inverse=True)
        return self.atoms.positions, self.atoms.occupancies, species, coefficients(elements)

    def volume(self, q_max: float, accuracy: float = ACCURACY) -> Volume:
        """The volume that the pipeline would make."""
        return sufficient_volume(*self.core, q_max=q_max, accuracy=accuracy, max_grid=MAX_GRID)


def one_atom(element: str) -> Core:
    """An atom at the origin, but for 10⁻⁹ Å: a particle needs a radius."""
    return np.full((1, 3), 1e-9), np.ones(1), np.zeros(1, np.int64), coefficients([element])


ATOM_SPACING = 0.015
"""Voxels of one atom's volume [Å⁻¹]; its form factor alone gives the pipeline no reason for a fine grid."""


def atom_volume(element: str, q_max: float) -> Volume:
    """F of one atom, to be refined on the detector with an error of 10⁻⁵."""
    half = int(q_max / ATOM_SPACING) + 2
    return scattering_volume(*one_atom(element), spacing=ATOM_SPACING, half=half, accuracy=1e-5)


def atom_limit(element: str, q: Array) -> float:
    """Largest relative error of an atom's intensity at lengths q (...) [Å⁻¹].

    The spline smooths f with a kernel of variance h²/4 along each axis, so it adds h²/8 ∇²f, twice in the intensity;
    the refinement adds 2 · 10⁻⁵ and float32 some twenty roundings. Of a exp(−β q²), ∇² is a (4β²q² − 6β) exp(−β q²).
    """
    row = coefficients([element])[0]
    beta = row[6:] / (16 * np.pi**2)
    waves = row[:5] * np.exp(-np.square(q)[..., None] * beta)
    curvature = np.sum((4 * beta**2 * np.square(q)[..., None] - 6 * beta) * waves, axis=-1)
    return float(ATOM_SPACING**2 / 4 * np.abs(curvature / form_factor(row, q)).max() + 2e-5 + 20 * 2**-24)


def factor(element: str, q: Array) -> Array:
    """f(|q|) of an element at points q (..., 3) [Å⁻¹]; (...) electrons."""
    return form_factor(coefficients([element])[0], np.linalg.norm(q, axis=-1))


def detector(n_pixels: int = 128, distance_mm: float = 323.0, width_mm: float = 76.8) -> Geometry:
    """The default experiment, 4,600 eV and 128 x 128 pixels of 600 µm at 323 mm, or a variant of it."""
    return square_detector(
        photon_energy_eV=4600.0, n_pixels=n_pixels, pixel_size_um=1e3 * width_mm / n_pixels, distance_mm=distance_mm
    )


def dataset(photons_per_pulse: float = 1e12, **beam: object) -> DatasetConfig:
    """A dataset of expected photons on the default detector."""
    return DatasetConfig(
        photons_per_pulse=photons_per_pulse,
        record="expected",
        beam=BeamConfig.model_validate(beam),
        detector=DetectorConfig(),
    )


def single_hits(orientations: Array, geometry: Geometry, fluence: float = 1.0) -> Shots:
    """One particle at the origin, a shot for each orientation (n, 4)."""
    n = len(orientations)
    return Shots.alike(orientations[:, None], np.zeros((n, 1, 3)), np.full(n, fluence), geometry.photon_energy_eV)


def points_on_detector(geometry: Geometry, x: Array, y: Array) -> Array:
    """q (len(y), len(x), 3) [Å⁻¹] at places between pixels, counted in pixels from the first one's centre."""
    pixel, edge = 1e-6 * geometry.pixel_size_um, (geometry.shape[1] - 1) / 2
    places = np.stack(
        np.broadcast_arrays((x - edge)[None, :] * pixel, (y - edge)[:, None] * pixel, 1e-3 * geometry.distance_mm), -1
    )
    return scattering_vectors(places, wavelength(geometry.photon_energy_eV))


def plain_field(points: Array, core: Core) -> NDArray[np.complex128]:
    """F(q) = Σ_j f_j(|q|) exp(i q·r_j) at points q (n, 3): the definition, term by term in float64; (n,)."""
    positions, occupancies, species, table = core
    total = np.empty(len(points), np.complex128)
    block = max(1, 2**22 // len(positions))
    for start in range(0, len(points), block):
        q = points[start : start + block]
        factors = np.stack([form_factor(row, np.linalg.norm(q, axis=1)) for row in table])
        waves = np.exp(1j * q @ positions.T) * occupancies
        total[start : start + block] = sum(f * waves[:, species == k].sum(axis=1) for k, f in enumerate(factors))
    return total


def exact_intensity(points: Array, core: Core, orientations: Array, positions: Array) -> Array:
    """|Σ_a F(R_aᵀ q) exp(i q·d_a)|² of the particles of one shot at points q (..., 3) by finufft's type 3; (...)."""
    waves = [
        exact_field(points @ rotation, *core) * np.exp(1j * points @ position)
        for rotation, position in zip(rotation_matrices(orientations), positions, strict=True)
    ]
    return np.abs(sum(waves)) ** 2


def exact_single_hits(geometry: Geometry, core: Core, orientations: Array) -> Array:
    """Expected photons (n, ny, nx) of single hits at unit fluence, at pixel centres, without a grid."""
    scale = geometry.photons_per_electron2()
    return np.stack([scale * exact_intensity(geometry.q, core, o[None], np.zeros((1, 3))) for o in orientations])


def subpixels(geometry: Geometry, n: int, every: int) -> Array:
    """(n·n, rows, columns, 3) q of n x n points spread evenly over every so-many-th pixel."""
    offsets, chosen = (np.arange(n) + 0.5) / n - 0.5, np.s_[::every, ::every]
    q, along_x, along_y = geometry.q[chosen], geometry.q_step_x[chosen], geometry.q_step_y[chosen]
    return np.stack([q + a * along_x + b * along_y for a in offsets for b in offsets])


def relative(images: NDArray, truth: NDArray) -> float:
    """Relative L2 difference."""
    return float(np.linalg.norm(images - truth) / np.linalg.norm(truth))
