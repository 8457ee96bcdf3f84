"""The complex field of a structure, measured before it is handed on."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulate import volume
from simulate.atoms import Atoms
from simulate.config import VolumeConfig
from simulate.files import write_json
from simulate.form_factors import coefficients
from simulate.orientation import random_orientations, rotation_matrices
from simulate.patterns import field_at

Array = NDArray[np.float64]


def make_volume(atoms_file: Path, reach: float, config: VolumeConfig, volume_file: Path, record_file: Path) -> None:
    """Atoms -> F(q) out to |q| = reach [Å⁻¹], on a grid fine enough for the accuracy, measured before it is handed on.

    Raises
    ------
    ValueError if the grid would be larger than allowed.
    RuntimeError if the finished volume misses the accuracy.
    """
    atoms = Atoms.load(atoms_file)
    elements, species = np.unique(atoms.elements, return_inverse=True)
    core = atoms.positions, atoms.occupancies, species, coefficients(elements)
    start = time.perf_counter()
    made = volume.sufficient_volume(*core, q_max=reach, accuracy=config.accuracy, max_grid=config.max_grid)
    seconds = time.perf_counter() - start
    error = measured_error(made, core, reach)
    if error > config.accuracy:
        raise RuntimeError(
            f"volume of {atoms_file.stem}: intensity error {error:.2e} against the sum over atoms, more than the "
            f"{config.accuracy:.2e} asked for; lower volume.accuracy, and please report this"
        )
    made.save(volume_file)
    write_json(
        record_file,
        {
            "q_max_per_angstrom": reach,
            "n_grid": made.n,
            "spacing_per_angstrom": made.spacing,
            "oversampling": made.oversampling,
            "requested_error": config.accuracy,
            "estimated_error": volume.interpolation_error(atoms.positions, volume.electrons(*core[1:]), made.spacing),
            "measured_error": error,
            "megabytes": made.field.nbytes / 1e6,
            "seconds": seconds,
        },
    )


def measured_error(
    made: volume.Volume, core: tuple[Array, Array, NDArray[np.int64], Array], reach: float, planes: int = 2
) -> float:
    """Relative L2 error of |F|² on discs through the origin, out to `reach`, against sums over the atoms.

    A disc is the single hit of a flat Ewald sphere; 129 x 129 points are about the pixels of an image. Orientations are
    random, and always the same.

    Parameters
    ----------
    core : positions, occupancies, species and coefficients, as for `volume.scattering_volume`.
    """
    x, y = np.meshgrid(*[np.linspace(-reach, reach, 129)] * 2)
    disc = np.stack([x, y, np.zeros_like(x)], axis=-1)[np.hypot(x, y) <= reach]
    points = disc @ rotation_matrices(random_orientations(np.random.default_rng(0), planes))
    sliced = np.abs(field_at(made, points).astype(np.complex128)) ** 2
    exact = np.abs(volume.exact_field(points, *core)) ** 2
    return float(np.linalg.norm(sliced - exact) / np.linalg.norm(exact))
