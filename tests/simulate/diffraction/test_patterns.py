"""Rendered patterns against sums over atoms on Ewald pixels, closed forms and sub-pixel integration."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from frames.geometry import CLASSICAL_ELECTRON_RADIUS_M, Geometry, wavelength
from simulate.diffraction import patterns, volume
from simulate.diffraction.patterns import Backend
from simulate.diffraction.volume import Volume, scattering_volume, stack, sufficient_volume
from simulate.experiment.geometry import square_detector
from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.structures import load_atoms
from simulate.orientation import random_orientations, rotation_matrices
from simulate.plan.shots import Shots
from support import references
from support.references import Atoms, atoms_of

BACKENDS: tuple[Backend, ...] = ("numba", "torch")


def volume_of(atoms: Atoms, geometry: Geometry, accuracy: float = 1e-3) -> Volume:
    return sufficient_volume(*atoms, q_max=geometry.q_max, accuracy=accuracy, max_grid=601)


def expected_photons(
    made: Volume,
    geometry: Geometry,
    orientations: np.ndarray,
    positions: np.ndarray,
    fluence: np.ndarray,
    backend: Backend = "numba",
    device: str | None = None,
) -> np.ndarray:
    """Shots of one structure and one multiplicity, with the beam in the middle and at its nominal energy."""
    shots = Shots.alike(orientations, positions, fluence, geometry.photon_energy_eV)
    return patterns.expected_photons(stack([made]), geometry, shots, backend=backend, device=device)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("accuracy", [1e-2, 1e-3, 1e-4])
def test_single_hits_are_as_accurate_as_asked(molecule, small_geometry, backend: Backend, accuracy: float) -> None:
    made = volume_of(molecule, small_geometry, accuracy)
    orientations = random_orientations(np.random.default_rng(0), 4)[:, None]
    positions = np.zeros((4, 1, 3))
    images = expected_photons(made, small_geometry, orientations, positions, np.full(4, 3.0), backend=backend)
    scale = small_geometry.photons_per_electron2()
    for image, orientation, position in zip(images, orientations, positions, strict=True):
        exact = references.expected_photons(small_geometry.q, scale, orientation, position, 3.0, molecule)
        assert relative(image, exact) <= accuracy


@pytest.mark.parametrize(
    ("entry", "assembly", "every"),
    # The largest two of the eleven stand-ins, and a whole capsid of 260,580 atoms; fewer pixels where atoms are many.
    [("4a0v", "deposited", 4), ("1aon", "deposited", 4), ("2bfu", "1", 8)],
)
def test_single_hits_of_large_structures(structures_folder: Path, geometry, tmp_path, entry, assembly, every) -> None:
    archive = ArchiveConfig(mirrors=(structures_folder,), lock_file=tmp_path / "lock.json")
    read, _ = load_atoms(StructureConfig(id=entry, assembly=assembly), archive)
    atoms = atoms_of(read.positions, read.elements, read.occupancies)
    orientations = random_orientations(np.random.default_rng(2), 2)[:, None]
    images = expected_photons(volume_of(atoms, geometry), geometry, orientations, np.zeros((2, 1, 3)), np.ones(2))
    pixels = np.s_[::every, ::every]
    scale = geometry.photons_per_electron2()[pixels]
    for image, orientation in zip(images, orientations, strict=True):
        exact = references.expected_photons(geometry.q[pixels], scale, orientation, np.zeros((1, 3)), 1.0, atoms)
        assert relative(image[pixels], exact) <= 1e-3


def test_backends_agree_on_multi_hits(molecule: Atoms, geometry: Geometry) -> None:
    made = volume_of(molecule, geometry)
    rng = np.random.default_rng(3)
    orientations = random_orientations(rng, 12).reshape(3, 4, 4)
    positions = rng.uniform(-600, 600, size=(3, 4, 3))
    one, other = (
        expected_photons(made, geometry, orientations, positions, np.ones(3), backend=backend) for backend in BACKENDS
    )
    # float32 phases of up to 300 radians err by 300 · 2⁻²⁴ = 1.8e-5, an intensity by twice its field's error: in both.
    assert relative(one, other) < 4 * 300 * 2**-24


@pytest.mark.parametrize("separation", [190.0, 500.0, 1000.0, 3000.0])
def test_fringes_are_averaged_over_the_pixel(molecule: Atoms, geometry: Geometry, separation: float) -> None:
    """Two particles, the whole average over 8 x 8 points a pixel; the envelopes' own curvature is what remains."""
    made = volume_of(molecule, geometry)
    rng = np.random.default_rng(4)
    orientations = random_orientations(rng, 2)
    positions = np.outer([-0.5, 0.5], np.array([0.8, 0.6, 0.0]) * separation)
    image = expected_photons(made, geometry, orientations[None], positions[None], np.ones(1))[0]
    chosen = np.s_[::7, ::7]
    scale = geometry.photons_per_electron2()[chosen]
    points = references.subpixels(geometry, 8)[:, ::7, ::7]
    integrated = references.expected_photons(points, scale, orientations, positions, 1.0, molecule).mean(axis=0)
    centres = references.expected_photons(geometry.q[chosen], scale, orientations, positions, 1.0, molecule)
    assert relative(image[chosen], integrated) <= 0.025
    if separation == 500.0:
        assert 0.04 < relative(centres, integrated) < 0.2  # what is avoided


def test_50_nm_apart_large_particles(structures_folder: Path, geometry: Geometry, tmp_path) -> None:
    """The figure asked for: at most 2.5 % where sampling at pixel centres errs by about a tenth."""
    archive = ArchiveConfig(mirrors=(structures_folder,), lock_file=tmp_path / "lock.json")
    read, _ = load_atoms(StructureConfig(id="3cf3", assembly="1"), archive)
    atoms = atoms_of(read.positions, read.elements, read.occupancies)
    orientations = random_orientations(np.random.default_rng(5), 2)
    positions = np.array([[0.0, 0.0, 0.0], [500.0, 0.0, 0.0]])
    image = expected_photons(volume_of(atoms, geometry), geometry, orientations[None], positions[None], np.ones(1))[0]
    chosen = np.s_[::2, ::2]

    def intensity(points: np.ndarray) -> np.ndarray:
        # A million points: the plain sum would take hours, so finufft's type 3, which test_volume holds against it.
        waves = [
            volume.exact_field(points @ rotation, *atoms) * np.exp(1j * points @ position)
            for rotation, position in zip(rotation_matrices(orientations), positions, strict=True)
        ]
        return geometry.photons_per_electron2()[chosen] * np.abs(sum(waves)) ** 2

    integrated = intensity(references.subpixels(geometry, 8)[:, ::2, ::2]).mean(axis=0)
    assert relative(image[chosen], integrated) <= 0.025
    assert relative(intensity(geometry.q[chosen]), integrated) > 0.07


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_atoms_interfere_as_in_the_textbook(geometry: Geometry, backend: Backend) -> None:
    """2 f² (1 + cos q·d), with the cosine averaged over the pixel's box: times sinc sinc."""
    atom = atoms_of(np.full((1, 3), 1e-9), ["C"])
    made = scattering_volume(*atom, spacing=0.01, half=int(geometry.q_max / 0.01) + 2)
    d = np.array([250.0, -130.0, 60.0])
    image = expected_photons(
        made, geometry, np.array([[[1.0, 0, 0, 0]] * 2]), np.array([[d, 0 * d]]), np.ones(1), backend=backend
    )[0]
    f2 = np.abs(references.field(geometry.q, *atom)) ** 2
    blur = np.sinc(geometry.q_step_x @ d / (2 * np.pi)) * np.sinc(geometry.q_step_y @ d / (2 * np.pi))
    exact = 2 * f2 * (1 + blur * np.cos(geometry.q @ d)) * geometry.photons_per_electron2()
    # The spline reproduces quadratics: carbon's form factor curves by f''·h²·u-terms, below 2e-3 on this coarse grid.
    assert relative(image, exact) < 2e-3


def test_turning_sample_and_detector_together_changes_nothing(molecule: Atoms, small_geometry: Geometry) -> None:
    """R(q) of the volume against a volume of turned atoms."""
    positions, occupancies, species, table = molecule
    orientation = random_orientations(np.random.default_rng(6), 1)
    turned = positions @ rotation_matrices(orientation)[0].T
    shot = np.zeros((1, 1, 3)), np.ones(1)
    by_rotation = expected_photons(volume_of(molecule, small_geometry), small_geometry, orientation[None], *shot)
    identity = np.array([[[1.0, 0, 0, 0]]])
    by_atoms = expected_photons(
        volume_of((turned, occupancies, species, table), small_geometry), small_geometry, identity, *shot
    )
    assert relative(by_rotation, by_atoms) < 2e-3  # two renderings of accuracy 1e-3


def test_moving_the_whole_shot_changes_nothing(molecule: Atoms, geometry: Geometry) -> None:
    made = volume_of(molecule, geometry)
    rng = np.random.default_rng(8)
    orientations, positions = random_orientations(rng, 3)[None], rng.uniform(-200, 200, size=(1, 3, 3))
    here = expected_photons(made, geometry, orientations, positions, np.ones(1))
    there = expected_photons(made, geometry, orientations, positions + np.array([300.0, -200.0, 100.0]), np.ones(1))
    assert relative(there, here) < 4e-5  # float32 phases, as above


def test_filled_sphere_follows_the_uniform_sphere_formula(geometry: Geometry) -> None:
    """A ball of many carbon atoms at low q: F = N f 3 (sin x − x cos x)/x³, x = qR; the atoms' graininess is N^-1/2."""
    rng = np.random.default_rng(9)
    n, radius = 40_000, 60.0
    directions = rng.standard_normal((n, 3))
    positions = (
        directions / np.linalg.norm(directions, axis=1, keepdims=True) * radius * rng.uniform(size=(n, 1)) ** (1 / 3)
    )
    atoms = atoms_of(positions, ["C"] * n)
    image = expected_photons(
        volume_of(atoms, geometry), geometry, np.array([[[1.0, 0, 0, 0]]]), np.zeros((1, 1, 3)), np.ones(1)
    )[0]
    q = np.linalg.norm(geometry.q, axis=-1)
    x = q * radius
    single = np.sqrt(np.abs(references.field(geometry.q, *atoms_of(np.zeros((1, 3)), ["C"]))) ** 2)
    formula = (n * single * 3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2 * geometry.photons_per_electron2()
    central = x < 4.0  # within the first minimum at 4.49
    # |δF| ≈ sqrt(N) f against N f · 3j₁(x)/x, which is above 0.1 here: 2 · (1/sqrt(40000)) / 0.1 · L2 weight of the rim
    assert relative(image[central], formula[central]) < 0.02


def test_fluence_scales_and_mask_blanks(molecule: Atoms) -> None:
    mask = np.zeros((24, 24), dtype=bool)
    mask[:, :5] = True
    masked = square_detector(photon_energy_eV=4600, n_pixels=24, pixel_size_um=3200, distance_mm=323, mask=mask)
    one = random_orientations(np.random.default_rng(0), 1)[None].repeat(2, axis=0)
    images = expected_photons(volume_of(molecule, masked), masked, one, np.zeros((2, 1, 3)), np.array([1.0, 5.0]))
    assert images[1] == pytest.approx(5 * images[0], rel=1e-6)
    assert np.all(images[:, mask] == 0)
    assert np.all(images[:, ~mask] > 0)


def test_volume_that_ends_before_the_detector_is_refused(molecule: Atoms, small_geometry: Geometry) -> None:
    made = scattering_volume(*molecule, spacing=0.03, half=5)
    with pytest.raises(ValueError, match="make the volume for this detector"):
        expected_photons(made, small_geometry, np.array([[[1.0, 0, 0, 0]]]), np.zeros((1, 1, 3)), np.ones(1))


def test_shapes_that_disagree_are_refused(molecule: Atoms, small_geometry: Geometry) -> None:
    with pytest.raises(ValueError, match="do not agree"):
        expected_photons(
            volume_of(molecule, small_geometry), small_geometry, np.ones((2, 1, 4)), np.zeros((2, 2, 3)), np.ones(2)
        )


def ragged(geometry: Geometry) -> Shots:
    """Five shots of two structures: none, one, two alike, three mixed, one; each with its own pulse."""
    rng = np.random.default_rng(11)
    start = np.array([0, 0, 1, 3, 6, 7])
    return Shots(
        start=start,
        species=np.array([0, 1, 1, 0, 1, 0, 0]),
        orientations=random_orientations(rng, 7),
        positions=rng.uniform(-100, 100, size=(7, 3)),
        fluence=rng.uniform(1, 3, size=7),
        photon_energy_eV=geometry.photon_energy_eV * np.array([1.0, 0.98, 1.01, 1.02, 0.99]),
        beam_centre=rng.uniform(-1.5, 1.5, size=(5, 2)),
        pulse_factor=np.ones(5),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_shot_has_its_own_particles_and_pulse(molecule: Atoms, geometry: Geometry, backend: Backend) -> None:
    """Mixed structures, fluence by particle, energy and beam position by shot, against sums over the atoms."""
    positions, occupancies, species, table = molecule
    other: Atoms = (positions[:150] * [1.0, 1.5, 0.7], occupancies[:150], species[:150], table)
    molecules = molecule, other
    reach = 1.1 * geometry.q_max
    volumes = stack([sufficient_volume(*atoms, q_max=reach, accuracy=1e-3, max_grid=601) for atoms in molecules])
    shots = ragged(geometry)
    images = patterns.expected_photons(volumes, geometry, shots, backend=backend)
    assert np.all(images[0] == 0)
    for shot in range(1, 5):
        x, y = shots.beam_centre[shot] * geometry.pixel_size_um * 1e-6
        axis = (np.arange(128) - 63.5) * geometry.pixel_size_um * 1e-6
        places = np.stack(
            np.broadcast_arrays((axis - x)[None, :], (axis - y)[:, None], 1e-3 * geometry.distance_mm), -1
        )
        places = places[::9, ::9]
        length = np.linalg.norm(places, axis=-1, keepdims=True)
        directions = places / length
        lamda = wavelength(shots.photon_energy_eV[shot])
        q = 2 * np.pi / lamda * (directions - [0, 0, 1])
        solid_angle = (geometry.pixel_size_um * 1e-6) ** 2 * places[..., 2] / length[..., 0] ** 3
        thomson = (CLASSICAL_ELECTRON_RADIUS_M * 1e6) ** 2 * solid_angle * (1 - directions[..., 0] ** 2)
        fields = [
            np.sqrt(shots.fluence[p])
            * references.field(q @ rotation_matrices(shots.orientations[p]), *molecules[shots.species[p]])
            * np.exp(1j * q @ shots.positions[p])
            for p in range(shots.start[shot], shots.start[shot + 1])
        ]
        # Fringes of particles 170 Å apart average over a pixel to 1 − (Δq d)²/24, Δq d < 0.75 rad; the renderer does
        # that, the sum at pixel centres does not. A single particle has none.
        tolerance = 1e-3 if len(fields) == 1 else 0.75**2 / 24 + 1e-3
        assert relative(images[shot][::9, ::9], thomson * np.abs(sum(fields)) ** 2) < tolerance


def test_a_shot_is_the_same_in_any_company(molecule: Atoms, geometry: Geometry) -> None:
    volumes, shots = stack([volume_of(molecule, geometry, 1e-2)] * 2), ragged(geometry)
    volumes = dataclasses.replace(volumes, q_max=np.inf)  # bytes are compared, not physics
    together = patterns.expected_photons(volumes, geometry, shots)
    alone = dataclasses.replace(
        shots,
        start=np.array([0, 3]),
        **{name: getattr(shots, name)[3:6] for name in ("species", "orientations", "positions", "fluence")},
        **{name: getattr(shots, name)[3:4] for name in ("photon_energy_eV", "beam_centre", "pulse_factor")},
    )
    assert np.array_equal(patterns.expected_photons(volumes, geometry, alone)[0], together[3])


def test_backends_agree_on_mixed_shots(molecule: Atoms, geometry: Geometry) -> None:
    reach = 1.1 * geometry.q_max
    volumes = stack([sufficient_volume(*molecule, q_max=reach, accuracy=a, max_grid=601) for a in (1e-2, 1e-3)])
    shots = ragged(geometry)
    one, other = (patterns.expected_photons(volumes, geometry, shots, backend=backend) for backend in BACKENDS)
    assert relative(one, other) < 4e-5  # float32 phases, as above


def test_a_particle_in_half_the_fluence_counts_half(molecule: Atoms, geometry: Geometry) -> None:
    """Far from coherence: two particles so far apart that their fringes average out scatter as the sum of two."""
    volumes = stack([volume_of(molecule, geometry)])
    rng = np.random.default_rng(12)
    pair = Shots.alike(random_orientations(rng, 2)[None], np.array([[[0, 0, 0], [4e4, 3e4, 0]]]), np.ones(1), 4600.0)
    pair = dataclasses.replace(pair, fluence=np.array([1.0, 0.5]))
    singles = Shots.alike(pair.orientations[:, None], np.zeros((2, 1, 3)), pair.fluence, 4600.0)
    together = patterns.expected_photons(volumes, geometry, pair)[0]
    alone = patterns.expected_photons(volumes, geometry, singles)
    # sinc(½ Δq·d) < 1/(½ 4.3e-3 Å⁻¹ · 3e4 Å) = 0.015 along each axis, so fringes keep 2 · 0.015² of the mean at most.
    assert relative(together, alone.sum(axis=0)) < 1e-3


def test_points_of_a_volume_are_its_field(molecule: Atoms) -> None:
    made = sufficient_volume(*molecule, q_max=0.4, accuracy=1e-3, max_grid=601)
    points = np.random.default_rng(13).uniform(-0.2, 0.2, size=(40, 7, 3))
    exact = references.field(points, *molecule)
    assert np.linalg.norm(patterns.field_at(made, points) - exact) < 1e-3 * np.linalg.norm(exact)


@pytest.mark.gpu
def test_cuda_agrees_with_cpu(molecule: Atoms, geometry: Geometry) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(10)
    arguments = (
        volume_of(molecule, geometry),
        geometry,
        random_orientations(rng, 8).reshape(2, 4, 4),
        rng.uniform(-300, 300, size=(2, 4, 3)),
        np.ones(2),
    )
    on_cpu = expected_photons(*arguments)
    on_gpu = expected_photons(*arguments, backend="torch", device="cuda")
    assert relative(on_gpu, on_cpu) < 4e-5
