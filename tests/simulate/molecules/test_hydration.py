"""The layer of water: as much as its volume holds, only where there is room."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from simulate.molecules import phantoms
from simulate.molecules.atoms import Atoms
from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.hydration import ANGLE, BOND, CONTACT, DENSITY, HARD_CORE, LATTICE, WANDER, hydrated
from simulate.molecules.structures import load_atoms


@pytest.fixture(scope="module")
def globule() -> Atoms:
    return phantoms.build("globule")


def lone(element: str = "C", at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Atoms:
    return Atoms(np.array([element]), np.array([at]), np.ones(1))


def waters(wet: Atoms, dry: Atoms) -> np.ndarray:
    """(n, 3, 3) O, H, H of the waters that were added."""
    return wet.positions[len(dry) :].reshape(-1, 3, 3)


def test_layer_holds_density_times_volume() -> None:
    """Around one atom the layer is a shell between two spheres.

    Of a shaken lattice only the sites whose cell is cut by a border are uncertain: those within half a cell edge (the
    circumradius of an fcc lattice's Voronoi cell) and WANDER of it, each with a variance of at most 1/4.
    """
    thickness, draws = 20.0, 20
    inner, outer = CONTACT, CONTACT + thickness
    volume = 4 / 3 * np.pi * (outer**3 - inner**3)
    uncertain = DENSITY * 4 * np.pi * (outer**2 + inner**2) * 2 * (LATTICE / 2 + WANDER)
    counts = [len(waters(hydrated(lone(), thickness, seed), lone())) for seed in range(draws)]
    assert np.mean(counts) == pytest.approx(DENSITY * volume, abs=5 * np.sqrt(uncertain / 4 / draws))
    assert np.abs(np.array(counts) - DENSITY * volume).max() < 5 * np.sqrt(uncertain / 4)
    assert np.sqrt(uncertain / 4) < np.sqrt(DENSITY * volume) / 2  # calmer than points thrown at random


def test_waters_keep_their_distances(globule: Atoms) -> None:
    wet = hydrated(globule, 5.0, seed=3)
    oxygens = waters(wet, globule)[:, 0]
    to_molecule = np.linalg.norm(oxygens[:, None] - globule.positions, axis=-1).min(axis=1)
    assert to_molecule.min() >= CONTACT
    assert to_molecule.max() <= CONTACT + 5.0
    between, _ = cKDTree(oxygens).query(oxygens, k=2)
    assert between[:, 1].min() >= HARD_CORE
    assert to_molecule.min() < CONTACT + 0.1  # the layer fills its room
    assert to_molecule.max() > CONTACT + 4.9


def test_layer_fills_its_whole_volume(globule: Atoms) -> None:
    """As many as a Monte Carlo of the volume around a molecule says."""
    wet = hydrated(globule, 6.0, seed=0)
    rng = np.random.default_rng(0)
    low, high = globule.positions.min(axis=0) - 9, globule.positions.max(axis=0) + 9
    points = rng.uniform(low, high, size=(400_000, 3))
    distance, _ = cKDTree(globule.positions).query(points)
    inside = ((distance >= CONTACT) & (distance <= CONTACT + 6.0)).mean()
    expected = DENSITY * np.prod(high - low) * inside
    monte_carlo = expected * np.sqrt((1 - inside) / inside / len(points))
    # At most every site of the thin layer is cut by a border, each with a variance of at most 1/4.
    assert len(waters(wet, globule)) == pytest.approx(expected, abs=5 * np.hypot(monte_carlo, np.sqrt(expected / 4)))


def test_water_has_its_shape_and_no_preferred_direction() -> None:
    molecules = waters(hydrated(lone(), 20.0, seed=1), lone())
    arms = molecules[:, 1:] - molecules[:, :1]
    assert np.linalg.norm(arms, axis=-1) == pytest.approx(np.full(arms.shape[:2], BOND), rel=1e-9)
    cosine = (arms[:, 0] * arms[:, 1]).sum(axis=-1) / BOND**2
    assert cosine == pytest.approx(np.full(len(arms), np.cos(ANGLE)), rel=1e-9)
    axes = arms.sum(axis=1) / np.linalg.norm(arms.sum(axis=1), axis=-1, keepdims=True)
    assert np.abs(axes.mean(axis=0)).max() < 5 / np.sqrt(3 * len(axes))  # a component's variance is 1/3


def test_cavities_hold_water_where_it_fits() -> None:
    def shell(radius: float) -> Atoms:
        n = 4000
        z = (2 * np.arange(n) + 1) / n - 1
        angle = np.pi * (1 + 5**0.5) * np.arange(n)
        across = np.sqrt(1 - z**2)
        positions = radius * np.stack([across * np.cos(angle), across * np.sin(angle), z], axis=1)
        return Atoms(np.full(n, "C"), positions, np.ones(n))

    def inside(radius: float) -> int:
        oxygens = waters(hydrated(shell(radius), 3.0, seed=0), shell(radius))[:, 0]
        return int((np.linalg.norm(oxygens, axis=1) < radius).sum())

    assert inside(CONTACT - 0.05) == 0
    assert inside(12.0) > 0


def test_atoms_stay_and_draws_repeat(globule: Atoms) -> None:
    assert hydrated(globule, 0.0, seed=0) is globule
    wet = hydrated(globule, 3.0, seed=7)
    assert np.array_equal(wet.positions[: len(globule)], globule.positions)
    assert np.array_equal(wet.elements[: len(globule)], globule.elements)
    assert set(wet.elements[len(globule) :: 3]) == {"O"}
    assert (wet.occupancies[len(globule) :] == 1).all()
    assert np.array_equal(wet.positions, hydrated(globule, 3.0, seed=7).positions)
    assert not np.array_equal(wet.positions[-1], hydrated(globule, 3.0, seed=8).positions[-1])


def test_hydrogen_of_the_molecule_keeps_no_water_away() -> None:
    both = Atoms(np.array(["C", "H"]), np.array([[0, 0, 0], [1.0, 0, 0]]), np.ones(2))
    assert np.array_equal(waters(hydrated(both, 4.0, 0), both), waters(hydrated(lone(), 4.0, 0), lone()))


def test_refused() -> None:
    with pytest.raises(ValueError, match="thickness -1"):
        hydrated(lone(), -1.0, seed=0)
    with pytest.raises(ValueError, match="hydrogen"):
        hydrated(lone("H"), 3.0, seed=0)


def test_structures_take_their_layer_from_the_config(globule: Atoms) -> None:
    config = StructureConfig(id="blob", source="phantom", phantom="globule", hydration_angstrom=4.0)
    atoms, record = load_atoms(config, ArchiveConfig())
    assert record["waters_added"] == (len(atoms) - len(globule)) / 3 > 100
    assert record["hydration_angstrom"] == 4.0
    assert record["n_atoms"] == len(atoms)
    assert atoms.positions.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    again, _ = load_atoms(config, ArchiveConfig())
    assert np.array_equal(again.positions, atoms.positions)
    dry, record = load_atoms(config.model_copy(update={"hydration_angstrom": 0.0}), ArchiveConfig())
    assert record["waters_added"] == 0
    assert np.array_equal(dry.positions, globule.positions)
