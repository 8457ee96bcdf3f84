"""Accuracy: one over the relative L2 error of a single hit's intensity, ours against skopi's, both against the atoms.

The truth is finufft's type 3 transform of the atoms at the pixels' centres, which the tests hold against the plain
float64 sum. Beside it: the largest error over three orientations of other stand-ins and of a whole capsid, where they
are at hand, and that of a double hit 50 nm apart against 8 x 8 points a pixel, with that of sampling pixel centres.
"""

import numpy as np

from bench.setting import (
    STRUCTURES,
    core_atoms,
    exact,
    field,
    geometry,
    molecule,
    relative,
    report,
    skopi_experiment,
)
from simulate.diffraction.patterns import expected_photons
from simulate.diffraction.volume import exact_field, stack
from simulate.molecules.atoms import Atoms
from simulate.molecules.structures import read_structure
from simulate.orientation import random_orientations, rotation_matrices
from simulate.plan.shots import Shots
from simulate.skopi import engine


def single_hit_error(atoms: Atoms, shots: int = 3) -> float:
    """Largest error over some orientations."""
    detector = geometry()
    orientations = random_orientations(np.random.default_rng(1), shots)
    hits = Shots.alike(orientations[:, None], np.zeros((shots, 1, 3)), np.ones(shots), detector.photon_energy_eV)
    images = expected_photons(stack([field(atoms, detector)]), detector, hits)
    return max(relative(*pair) for pair in zip(images, exact(atoms, detector, orientations, 1.0), strict=True))


def skopi_error(atoms: Atoms, shots: int = 3) -> float:
    """The same of skopi's own volume and slices."""
    orientations = random_orientations(np.random.default_rng(1), shots)
    experiment = skopi_experiment(atoms, 1)
    origin = np.zeros((1, 3))
    images = [engine.shoot(experiment, np.pi * 0.25, o[None], origin, seed=0)[0] for o in orientations]
    return max(relative(*pair) for pair in zip(images, exact(atoms, geometry(), orientations, 1.0), strict=True))


def double_hit_errors(atoms: Atoms, separation: float) -> tuple[float, float]:
    """Errors of ours, and of sampling pixel centres, against the average over 8 x 8 points of every fourth pixel."""
    detector = geometry()
    orientations = random_orientations(np.random.default_rng(5), 2)
    positions = np.array([[0.0, 0.0, 0.0], [separation, 0.0, 0.0]])
    chosen = np.s_[::2, ::2]
    hit = Shots.alike(orientations[None], positions[None], np.ones(1), detector.photon_energy_eV)
    image = expected_photons(stack([field(atoms, detector)]), detector, hit)[0]

    def intensity(points: np.ndarray) -> np.ndarray:
        waves = [
            exact_field(points @ rotation, *core_atoms(atoms)) * np.exp(1j * points @ position)
            for rotation, position in zip(rotation_matrices(orientations), positions, strict=True)
        ]
        return detector.photons_per_electron2()[chosen] * np.abs(sum(waves)) ** 2

    offsets = (np.arange(8) + 0.5) / 8 - 0.5
    integrated = np.mean(
        [
            intensity((detector.q + a * detector.q_step_x + b * detector.q_step_y)[chosen])
            for a in offsets
            for b in offsets
        ],
        axis=0,
    )
    return relative(image[chosen], integrated), relative(intensity(detector.q[chosen]), integrated)


if __name__ == "__main__":
    entry, atoms = molecule()
    error, theirs = single_hit_error(atoms), skopi_error(atoms)
    others = {}
    if STRUCTURES.exists():
        for name, assembly in (("1aon", "deposited"), ("3cf3", "1"), ("2bfu", "1")):
            read = read_structure(STRUCTURES / f"{name}.pdb.gz", assembly=assembly).centred()
            others[f"{name} ({len(read)} atoms)"] = float(f"{single_hit_error(read):.3g}")
    double, centres = double_hit_errors(atoms, 500.0)
    report(
        "accuracy",
        1 / error,
        1 / theirs,
        "1/error",
        structure=entry,
        error=error,
        error_competitor=theirs,
        others=others,
        double_hit_50_nm=double,
        double_hit_50_nm_pixel_centres=centres,
    )
