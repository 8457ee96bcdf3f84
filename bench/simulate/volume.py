"""Volumes per second against skopi's loop over atoms, at 151³ voxels, extrapolated from a few atoms; a thread each."""

import os
import time

os.environ["OMP_NUM_THREADS"] = "1"  # of finufft; skopi's loop has one

import numpy as np

from bench.setting import core_atoms, geometry, molecule, rate, report
from simulate.diffraction.volume import scattering_volume
from simulate.molecules.form_factors import coefficients, form_factor

N_GRID = 151  # skopi's own


def skopi_seconds(positions: np.ndarray, elements: np.ndarray, q_max: float, n_atoms: int) -> float:
    """Time of skopi's compiled loop for all atoms, from two runs on a few: the slope, so set-up does not count."""
    from simulate.skopi import engine  # noqa: F401 - opens skopi where there is no CUDA

    from skopi.diffraction import cal  # isort: skip

    axis = np.linspace(-q_max, q_max, N_GRID)
    mesh = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    symbols, species = np.unique(elements, return_inverse=True)
    factors = np.stack([form_factor(row, np.linalg.norm(mesh, axis=1)) for row in coefficients(symbols)])
    mesh /= 2 * np.pi

    def seconds(n: int) -> float:
        start = time.perf_counter()
        cal(factors, positions[:n], mesh, species[:n], len(mesh))
        return time.perf_counter() - start

    seconds(1)  # compiles
    return (seconds(8) - seconds(2)) / 6 * n_atoms


if __name__ == "__main__":
    entry, atoms = molecule()
    q_max = geometry().q_max
    half = N_GRID // 2
    arguments = core_atoms(atoms)
    ours = rate(lambda: scattering_volume(*arguments, spacing=q_max / half, half=half), 1)
    theirs = skopi_seconds(atoms.positions, atoms.elements, q_max, len(atoms))
    report("volume", ours, 1 / theirs, "volumes/s", structure=entry, atoms=len(atoms), competitor_extrapolated_from=8)
