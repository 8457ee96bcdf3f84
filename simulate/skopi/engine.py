"""skopi's own experiment, as a reference.

What has to be worked around, and is worked around here only:

- importing `skopi.gpu` raises where there is no CUDA, so a module that
  offers the one function skopi asks it for takes its place;
- that function is skopi's loop over atoms, hours for a large complex; ours is a non-uniform FFT on the same mesh;
- the assembled image is the transpose of the image stack; the stack has our order (docs/conventions.md);
- quantities are in metres and in 1/λ without 2π, ours in Å and with it.
"""

import copy
import sys

import finufft
import numpy as np
import skopi
from numpy.typing import NDArray

from simulate.molecules.form_factors import form_factor
from simulate.skopi.table import waasmaier_kirfel_table

Array = NDArray[np.float64]


class _Atoms:
    """What skopi's experiment asks of a particle, without skopi's PDB reader and its traps."""

    def __init__(self, atomic_numbers: NDArray[np.int64], positions: Array, occupancies: Array) -> None:
        self.atomic_numbers = atomic_numbers
        self.positions = positions  # Å
        self.occupancies = occupancies
        self.atom_pos = positions * 1e-10  # the name and the unit skopi uses


def _complex_field(mesh: Array, particle: _Atoms, return_type: str) -> NDArray[np.complex128]:
    """Stands in for skopi's loop over atoms: F on its mesh (n, n, n, 3) of q/2π [m⁻¹], relative error below 1e-9."""
    if return_type != "complex_field":
        raise ValueError(f"return_type {return_type!r}: skopi's experiment is expected to ask for 'complex_field'")
    n = mesh.shape[0]
    step = (mesh[1, 0, 0, 0] - mesh[0, 0, 0, 0]) * 1e-10
    q = 2e-10 * np.pi * np.linalg.norm(mesh, axis=-1)
    phases = 2 * np.pi * step * particle.positions
    field = np.zeros(mesh.shape[:-1], dtype=np.complex128)
    for number in np.unique(particle.atomic_numbers):
        chosen = particle.atomic_numbers == number
        weights = particle.occupancies[chosen].astype(np.complex128)
        waves = finufft.nufft3d1(*np.ascontiguousarray(phases[chosen].T), weights, (n, n, n), eps=1e-10, isign=1)
        field += form_factor(waasmaier_kirfel_table()[int(number)], q) * waves
    return field


for _module in ("skopi.gpu", "skopi.gpu.diffraction"):
    vars(sys.modules[_module])["calculate_diffraction_pattern_gpu"] = _complex_field


def experiments(
    detector: "skopi.SimpleSquareDetector",
    beam: "skopi.Beam",
    atomic_numbers: NDArray[np.int64],
    positions: Array,
    occupancies: Array,
    multiplicities: tuple[int, ...],
) -> dict[int, "skopi.SPIExperiment"]:
    """One skopi experiment per hit multiplicity, all on one volume of skopi's own mesh.

    skopi computes the volume once per particle of the shot; here the experiments share that of the single hit.

    Parameters
    ----------
    positions : (n_atoms, 3) sample frame [Å].
    """
    single = skopi.SPIExperiment(detector, beam, _Atoms(atomic_numbers, positions, occupancies))
    made = {}
    for multiplicity in multiplicities:
        experiment = copy.copy(single)
        experiment.n_part_per_shot = multiplicity
        experiment.particles = single.particles * multiplicity
        experiment.volumes = single.volumes * multiplicity
        made[multiplicity] = experiment
    return made


def shoot(
    experiment: "skopi.SPIExperiment", photons_per_pulse: float, orientations: Array, positions: Array, seed: int
) -> tuple[Array, NDArray[np.int64]]:
    """One shot of skopi's experiment.

    Parameters
    ----------
    orientations : (n_particles, 4) quaternions (w, x, y, z).
    positions :    (n_particles, 3) lab frame [Å].
    seed :         of numpy's global generator, the one skopi's Poisson sampling uses.

    Returns
    -------
    expected photons and photons, both (ny, nx).
    """
    experiment.beam.set_photons_per_pulse(photons_per_pulse)
    experiment.set_orientations(orientations)
    experiment.set_positions(positions * 1e-10)
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed([seed & 0xFFFFFFFF, seed >> 32])  # noqa: NPY002
        photons, expected = experiment.generate_image_stack(return_photons=True, return_intensities=True)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return np.asarray(expected[0]), np.asarray(photons[0])
