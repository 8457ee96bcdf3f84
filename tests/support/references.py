"""The slow, obvious twins of the fast paths: sums written as in the textbook, in float64."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frames.geometry import Geometry
from simulate.molecules.form_factors import coefficients as coefficients_of
from simulate.molecules.form_factors import form_factor
from simulate.orientation import rotation_matrices

Array = NDArray[np.float64]
Atoms = tuple[Array, Array, NDArray[np.int64], Array]
"""positions, occupancies, species, coefficients: as `volume.scattering_volume` takes them"""


def atoms_of(positions: Array, elements: Sequence[str], occupancies: Array | None = None) -> Atoms:
    """Atoms as the simulation's core takes them; full occupancy unless given."""
    symbols, species = np.unique(elements, return_inverse=True)
    occupancies = np.ones(len(positions)) if occupancies is None else occupancies
    return np.asarray(positions, dtype=np.float64), occupancies, species, coefficients_of(symbols)


def field(q: Array, positions: Array, occupancies: Array, species: NDArray[np.int64], coefficients: Array) -> Array:
    """F(q) = Σ_j f_j(|q|) exp(i q·r_j) at points q (..., 3), atom by atom in blocks of points."""
    points = q.reshape(-1, 3)
    result = np.empty(len(points), dtype=np.complex128)
    block = max(1, 2**22 // len(positions))
    for start in range(0, len(points), block):
        part = points[start : start + block]
        length = np.linalg.norm(part, axis=1)
        factors = np.stack([form_factor(row, length) for row in coefficients])
        waves = np.exp(1j * part @ positions.T) * occupancies
        result[start : start + block] = sum(
            factors[k] * waves[:, species == k].sum(axis=1) for k in range(len(coefficients))
        )
    return result.reshape(q.shape[:-1])


def expected_photons(
    q: Array,
    photons_per_electron2: Array,
    orientations: Array,
    positions: Array,
    fluence: float,
    atoms: Atoms,
) -> Array:
    """Expected photons at points q (..., 3) of a shot of several particles, coherently and without a grid."""
    total = np.zeros(q.shape[:-1], dtype=np.complex128)
    for rotation, position in zip(rotation_matrices(orientations), positions, strict=True):
        total += field(q @ rotation, *atoms) * np.exp(1j * q @ position)
    return fluence * photons_per_electron2 * np.abs(total) ** 2


def subpixels(geometry: Geometry, n: int) -> Array:
    """(n*n, ny, nx, 3) scattering vectors of n x n points spread evenly over each pixel."""
    offsets = (np.arange(n) + 0.5) / n - 0.5
    return np.stack([geometry.q + a * geometry.q_step_x + b * geometry.q_step_y for a in offsets for b in offsets])
