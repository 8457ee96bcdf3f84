"""The complex field of a structure, measured before it is handed on."""

import logging
import math
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.files import write_json
from simulate.diffraction import volume
from simulate.diffraction.patterns import field_at
from simulate.molecules.atoms import Atoms
from simulate.molecules.config import VolumeConfig
from simulate.molecules.form_factors import coefficients
from simulate.orientation import random_orientations, rotation_matrices

Array = NDArray[np.float64]
Core = tuple[Array, Array, NDArray[np.int64], Array]
"""Positions, occupancies, species and coefficients, as for `volume.scattering_volume`."""

log = logging.getLogger(__name__)


def make_volume(atoms_file: Path, reach: float, config: VolumeConfig, volume_file: Path, record_file: Path) -> None:
    """Atoms -> F(q) out to |q| = reach [Å⁻¹], on a grid fine enough for the accuracy, measured before it is handed on.

    Raises
    ------
    ValueError if the grid would be larger than allowed.
    RuntimeError if the finished volume misses the accuracy on the finest grid allowed.
    """
    atoms = Atoms.load(atoms_file)
    elements, species = np.unique(atoms.elements, return_inverse=True)
    core = atoms.positions, atoms.occupancies, species, coefficients(elements)
    start = time.perf_counter()
    made, error = _accurate(core, reach, config, atoms_file.stem)
    seconds = time.perf_counter() - start
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


def _accurate(core: Core, reach: float, config: VolumeConfig, name: str) -> tuple[volume.Volume, float]:
    """The volume on a grid that was measured to be fine enough, and its error.

    The grid is first chosen by an estimate that takes atoms as points. Where they are not small beside the molecule,
    the volume misses its accuracy and is made again on finer grids: the error falls with the cube of the voxel.
    """
    made = volume.sufficient_volume(*core, q_max=reach, accuracy=config.accuracy, max_grid=config.max_grid)
    error = measured_error(made, core, reach)
    best, in_vain = math.inf, 0
    while error > config.accuracy:
        in_vain = 0 if error < 0.9 * best else in_vain + 1
        best = min(best, error)
        half = made.n // 2
        finer = math.ceil(half * min(2.0, 1.05 * (error / config.accuracy) ** (1 / 3)))
        finer = min(max(finer, half + 1), (config.max_grid - 1) // 2)
        if finer <= half or in_vain == 2:
            advice = "raise volume.accuracy" + (", and please report this" if finer > half else " or volume.max_grid")
            raise RuntimeError(
                f"volume of {name}: intensity error {error:.2e} against the sum over atoms on a grid of {made.n}³ "
                f"voxels, more than the {config.accuracy:.2e} asked for; {advice}"
            )
        log.info(
            "volume of %s: intensity error %.2e on %d³ voxels; refining to %d³", name, error, made.n, 2 * finer + 1
        )
        spacing = reach / (finer - volume.SPLINE_MARGIN)
        made = volume.scattering_volume(*core, spacing=spacing, half=finer, accuracy=config.accuracy)
        error = measured_error(made, core, reach)
    return made, error


def measured_error(made: volume.Volume, core: Core, reach: float, planes: int = 2) -> float:
    """Relative L2 error of |F|² on discs through the origin, out to `reach`, against sums over the atoms.

    A disc is the single hit of a flat Ewald sphere; 129 x 129 points are about the pixels of an image. Orientations are
    random, and always the same.
    """
    x, y = np.meshgrid(*[np.linspace(-reach, reach, 129)] * 2)
    disc = np.stack([x, y, np.zeros_like(x)], axis=-1)[np.hypot(x, y) <= reach]
    points = disc @ rotation_matrices(random_orientations(np.random.default_rng(0), planes))
    sliced = np.abs(field_at(made, points).astype(np.complex128)) ** 2
    exact = np.abs(volume.exact_field(points, *core)) ** 2
    return float(np.linalg.norm(sliced - exact) / np.linalg.norm(exact))
