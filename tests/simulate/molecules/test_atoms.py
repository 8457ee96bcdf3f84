"""The container of atoms: closed forms, its file, what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from simulate.molecules.atoms import Atoms


def atoms_of(elements: list[str], positions: list[tuple[float, float, float]]) -> Atoms:
    return Atoms(np.array(elements), np.array(positions, float), np.ones(len(elements)))


@pytest.fixture
def carbon_and_zinc() -> Atoms:
    return Atoms(np.array(["C", "Zn"]), np.array([[3.0, 0, 0], [0, 0, -4.0]]), np.array([1.0, 0.5]))


def test_sums_and_lengths_of_two_atoms(carbon_and_zinc: Atoms) -> None:
    assert len(carbon_and_zinc) == 2
    assert carbon_and_zinc.counts == {"C": 1, "Zn": 1}
    assert carbon_and_zinc.electrons == 6 + 30 / 2
    assert carbon_and_zinc.mass_kDa == pytest.approx((12.011 + 65.38) / 1e3, rel=1e-4)  # standard atomic weights
    assert carbon_and_zinc.radius == 4
    assert carbon_and_zinc.extent == 5
    # Two masses at distance d: Rg² = m1 m2 d² / (m1 + m2)²
    m1, m2 = 12.011, 65.38
    assert carbon_and_zinc.radius_of_gyration == pytest.approx(5 * np.sqrt(m1 * m2) / (m1 + m2), rel=1e-4)


def test_centred_has_its_unweighted_mean_at_the_origin(carbon_and_zinc: Atoms) -> None:
    centred = carbon_and_zinc.centred()
    np.testing.assert_allclose(centred.positions, [[1.5, 0, 2], [-1.5, 0, -2]])
    assert centred.radius == 2.5
    np.testing.assert_array_equal(centred.occupancies, carbon_and_zinc.occupancies)


def test_extent_on_the_hull_equals_all_pairs() -> None:
    positions = np.random.default_rng(0).standard_normal((1500, 3)) * [30, 20, 10]
    atoms = Atoms(np.full(1500, "C"), positions, np.ones(1500))
    assert atoms.extent == pytest.approx(pdist(positions).max(), rel=1e-12)


def test_extent_of_one_atom_and_of_a_line() -> None:
    assert atoms_of(["C"], [(1, 2, 3)]).extent == 0
    assert atoms_of(["C", "N", "O"], [(0, 0, 0), (1, 1, 1), (3, 3, 3)]).extent == pytest.approx(3 * np.sqrt(3))


@pytest.mark.parametrize("count", [30, 3000])
@pytest.mark.parametrize("dimensions", [0, 1, 2])
def test_extent_of_many_atoms_in_a_plane_on_a_line_or_in_one_place(count: int, dimensions: int) -> None:
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    flat = rng.standard_normal((count, dimensions)) * 40 @ turn[:dimensions] + [5, 6, 7]
    atoms = Atoms(np.full(count, "C"), flat, np.ones(count))
    assert atoms.extent == pytest.approx(pdist(flat).max(), rel=1e-12, abs=1e-12)
    lattice = np.stack(np.meshgrid(*[np.arange(11.0)] * 3), axis=-1).reshape(-1, 3)[:, : max(1, dimensions)]
    atoms = Atoms(np.full(1331, "C"), np.pad(lattice, ((0, 0), (0, 3 - lattice.shape[1]))), np.ones(1331))
    assert atoms.extent == pytest.approx(10 * np.sqrt(lattice.shape[1]))


def test_file_keeps_everything(carbon_and_zinc: Atoms, tmp_path: Path) -> None:
    carbon_and_zinc.save(tmp_path / "atoms.npz")
    loaded = Atoms.load(tmp_path / "atoms.npz")
    np.testing.assert_array_equal(loaded.elements, carbon_and_zinc.elements)
    np.testing.assert_array_equal(loaded.positions, carbon_and_zinc.positions)
    np.testing.assert_array_equal(loaded.occupancies, carbon_and_zinc.occupancies)
    assert [path.name for path in tmp_path.iterdir()] == ["atoms.npz"]


@pytest.mark.parametrize(
    ("positions", "occupancies"),
    [(np.zeros((1, 3)), np.ones(2)), (np.zeros((2, 2)), np.ones(2)), (np.zeros((2, 3)), np.ones((2, 1)))],
)
def test_shapes_that_disagree_are_refused(positions: np.ndarray, occupancies: np.ndarray) -> None:
    with pytest.raises(ValueError, match="shapes"):
        Atoms(np.array(["C", "C"]), positions, occupancies)


def test_positions_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        atoms_of(["C"], [(0, 0, float("nan"))])
