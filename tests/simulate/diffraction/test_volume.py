"""The volume: closed forms, two transforms and the plain sum, and what its accuracy claims."""

import numpy as np
import pytest

from simulate.diffraction import volume
from simulate.molecules.form_factors import coefficients, form_factor
from support import references
from support.references import Atoms, atoms_of


def nodes(made: volume.Volume) -> np.ndarray:
    """(nx, n, n, 3) scattering vectors of the grid's nodes."""
    half = made.n // 2
    axes = np.arange(-volume.SPLINE_MARGIN, half + 1), np.arange(-half, half + 1), np.arange(-half, half + 1)
    return made.spacing * np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def test_nodes_hold_the_sum_over_compensated_atoms(molecule: Atoms) -> None:
    made = volume.scattering_volume(*molecule, spacing=0.03, half=6)
    positions, occupancies, species, table = molecule
    u = positions * made.spacing / (2 * np.pi)
    compensated = occupancies / np.prod(np.sinc(u), axis=1) ** 3
    expected = references.field(nodes(made), positions, compensated, species, table)
    # complex64 stores 24 bits: rounding of each of the four species' terms.
    assert np.abs(made.field - expected).max() < 8 * 2**-24 * np.abs(expected).max()


def test_separable_products_agree_with_nufft(molecule: Atoms) -> None:
    one = volume.scattering_volume(*molecule, spacing=0.03, half=8)
    other = volume.scattering_volume(*molecule, spacing=0.03, half=8, method="separable")
    # float32 sums of 300 terms in blocks: sqrt(300) roundings.
    assert np.abs(one.field - other.field).max() < 20 * 2**-24 * np.abs(one.field).max()


def test_one_atom_at_the_origin_is_its_form_factor() -> None:
    made = volume.scattering_volume(*atoms_of(np.zeros((1, 3)) + 1e-9, ["O"]), spacing=0.05, half=5)
    expected = form_factor(coefficients(["O"])[0], np.linalg.norm(nodes(made), axis=-1))
    assert np.abs(made.field - expected).max() < 1e-6


def test_origin_counts_the_electrons(molecule: Atoms) -> None:
    positions, occupancies, species, table = molecule
    made = volume.scattering_volume(positions, occupancies, species, table, spacing=1e-4, half=3)
    electrons = (occupancies * table[species, :6].sum(axis=1)).sum()
    assert made.field[volume.SPLINE_MARGIN, 3, 3] == pytest.approx(electrons, rel=1e-6)


def test_exact_field_agrees_with_the_plain_sum(molecule: Atoms) -> None:
    points = np.random.default_rng(0).uniform(-0.4, 0.4, size=(5, 7, 3))
    expected = references.field(points, *molecule)
    assert np.abs(volume.exact_field(points, *molecule) - expected).max() < 1e-7 * np.abs(expected).max()


def test_estimated_error_grows_with_the_cube_of_the_voxel(molecule: Atoms) -> None:
    positions, weights = molecule[0], molecule[1]
    fine, coarse = (volume.interpolation_error(positions, weights, h) for h in (0.005, 0.010))
    # (u / (1 ∓ u))³ with u ∝ h; u is at most 30 Å · 0.01 / 2π = 0.05 here, so the next order adds at most 6 u² · 21/5.
    assert coarse / fine == pytest.approx(8, rel=0.07)


def test_atoms_beyond_the_grids_period_are_hopeless(molecule: Atoms) -> None:
    assert volume.interpolation_error(molecule[0], molecule[1], spacing=2 * np.pi / 50) == np.inf


def test_grid_too_large_is_refused_with_the_size_it_takes(molecule: Atoms) -> None:
    with pytest.raises(ValueError, match=r"needs a grid of \d+³ voxels, more than volume.max_grid = 21"):
        volume.choose_grid(molecule[0], molecule[1], q_max=0.4, accuracy=1e-3, max_grid=21)


def test_chosen_grid_reaches_the_detector(molecule: Atoms) -> None:
    spacing, half = volume.choose_grid(molecule[0], molecule[1], q_max=0.4, accuracy=1e-3, max_grid=201)
    made = volume.scattering_volume(*molecule, spacing=spacing, half=half)
    assert made.q_max == pytest.approx(0.4)
    assert volume.interpolation_error(molecule[0], molecule[1], spacing) <= 1e-3


def test_pixels_too_coarse_for_the_particle_are_refused() -> None:
    with pytest.raises(ValueError, match=r"31.8 nm wide.*sample only up to 20.0 nm.*move the detector back"):
        volume.check_sampling(radius=159.0, q_step=np.pi / 200)
    volume.check_sampling(radius=99.0, q_step=np.pi / 200)


def test_file_round_trip(molecule: Atoms, tmp_path) -> None:
    made = volume.scattering_volume(*molecule, spacing=0.05, half=4)
    made.save(tmp_path / "volume.npz")
    again = volume.Volume.load(tmp_path / "volume.npz")
    assert np.array_equal(again.field, made.field)
    assert (again.spacing, again.radius, again.accuracy) == (made.spacing, made.radius, made.accuracy)
