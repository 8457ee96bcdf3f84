"""Molecules made up of pieces: the same wherever asked for, of nothing but their source, in one piece, of the size."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from simulate.config import SimulationConfig
from simulate.molecules import pieces
from simulate.molecules.atoms import Atoms
from simulate.molecules.pieces import EXTENT, KINDS, NEIGHBOURS, Chained, random_piece
from simulate.molecules.random_phantoms import MASSES_KDA
from support.molecules import must_have_the_symmetry

N_CHAINS, N_RESIDUES, N_ATOMS = 4, 300, 8


@pytest.fixture(scope="module")
def source() -> Chained:
    """Four chains of 300 residues of eight atoms, each in a ball of its own, that touch in a square."""
    generator = np.random.default_rng(0)
    n = N_CHAINS * N_RESIDUES * N_ATOMS
    chain = np.repeat(np.arange(N_CHAINS), N_RESIDUES * N_ATOMS)
    residue = np.repeat(np.arange(N_CHAINS * N_RESIDUES), N_ATOMS)
    within = generator.standard_normal((N_CHAINS * N_RESIDUES, 3))
    within *= 20 * generator.random((len(within), 1)) ** (1 / 3) / np.linalg.norm(within, axis=1, keepdims=True)
    corners = 38.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    positions = (within + np.repeat(corners, N_RESIDUES, 0))[residue] + generator.normal(0, 1.2, (n, 3))
    # Of each chain another element, so that what is made says what of.
    return Chained(Atoms(np.array(["C", "N", "O", "S"])[chain], positions, np.ones(n)), chain, residue)


def must_hang_together(firsts: np.ndarray) -> None:
    """First atoms (n, 3) of residues, by neighbours within a nanometre; found by spreading from the first of them."""
    near, found = cdist(firsts, firsts) <= NEIGHBOURS, np.arange(len(firsts)) == 0
    while (more := near[found].any(axis=0)).sum() > found.sum():
        found = more
    assert found.all()


def test_a_name_is_one_molecule_whatever_was_made_before(source):
    once, told = random_piece(source, "piece-toy-3")
    random_piece(source, "piece-toy-4")
    again, told_again = random_piece(source, "piece-toy-3")
    np.testing.assert_array_equal(once.positions, again.positions)
    assert told == told_again
    assert not np.array_equal(once.positions[:10], random_piece(source, "piece-toy-4")[0].positions[:10])


def test_every_kind_comes_and_all_are_of_the_size_and_centred(source):
    made = [random_piece(source, f"piece-toy-{n}") for n in range(40)]
    assert {told.split(",")[0] for _, told in made} == set(KINDS)
    for atoms, _ in made:
        assert MASSES_KDA[0] <= atoms.mass_kDa <= MASSES_KDA[1]
        assert atoms.extent <= EXTENT
        np.testing.assert_allclose(atoms.positions.mean(axis=0), 0, atol=1e-9)
        must_hang_together(atoms.positions[::N_ATOMS])


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_made_of_residues_of_the_source_alone(source, kind):
    """Distances within a residue are those of a residue of the same chain, turned and shifted as one wants."""
    there = {
        tuple(np.round(cdist(atoms[:1], atoms[1:]).ravel(), 6))
        for atoms in source.atoms.positions.reshape(-1, N_ATOMS, 3)
    }
    generator, made = np.random.default_rng(1), None
    while made is None:
        made = KINDS[kind](source, generator)
    for residue in np.unique(made[0].residue):
        atoms = made[0].atoms.positions[made[0].residue == residue]
        assert tuple(np.round(cdist(atoms[:1], atoms[1:]).ravel(), 6)) in there


def test_chains_are_whole_and_touch(source):
    generator = np.random.default_rng(2)
    for _ in range(8):
        made, _ = pieces.chains(source, generator)
        assert (np.bincount(made.chain)[np.unique(made.chain)] == N_RESIDUES * N_ATOMS).all()
        must_hang_together(made.firsts)


def test_a_cut_is_flat_on_one_side(source):
    """A plane has what was kept on one side and what was not on the other: a linear program finds it."""
    made, _ = pieces.cut(source, np.random.default_rng(3))
    kept = np.isin(np.unique(source.residue), made.residue)
    assert 0.2 < kept.mean() < 0.9
    sides = np.where(kept, -1.0, 1.0)[:, None] * np.column_stack([source.firsts, np.ones(len(kept))])
    assert linprog(np.zeros(4), A_ub=sides, b_ub=-np.ones(len(kept)) * 1e-3, bounds=(None, None)).success


@pytest.mark.parametrize("seed", range(6))
def test_oligomers_have_the_symmetry_that_they_say(source, seed):
    generator, made = np.random.default_rng(seed), None
    while made is None:
        made = pieces.oligomer(source, generator)
    # Of two rings the axis of both is the two-fold one's, wherever about it they were turned.
    must_have_the_symmetry(made[0].atoms.positions, made[1].replace("D", "C"))
    assert len(made[0].atoms) % int(made[1][1:]) == 0


def test_what_slides_stops_where_the_first_residues_touch(source):
    """By the obvious way: at every tenth of an Ångström from afar, is any residue within the distance?"""
    one, other = (
        source.take(source.chain == 0),
        source.take(source.chain == 1).moved(np.eye(3), np.array([-38.0, 0, 0])),
    )
    along = np.array([0.6, 0.0, 0.8])
    there = pieces.slid(one, other, along, 5.0)
    tree = cKDTree(one.firsts)
    steps = np.arange(120, -20, -0.1)
    apart = [tree.query(other.firsts + at * along)[0].min() for at in steps]
    expected = steps[np.flatnonzero(np.array(apart) <= 5.1)[0]]
    moved = (there.atoms.positions - other.atoms.positions) @ along
    np.testing.assert_allclose(moved, expected, atol=0.2)
    assert pieces.slid(one, other.moved(np.eye(3), np.array([0, 500.0, 0])), along, 5.0) is None


def test_a_structure_without_chains_says_so(source, monkeypatch):
    short = source._replace(residue=np.arange(len(source.residue)) // 1000)
    with pytest.raises(ValueError, match="none of 4 chains, 10 residues, has 40 residues"):
        pieces.long_chains(short)
    spread = source._replace(atoms=Atoms(source.atoms.elements, 40 * source.atoms.positions, source.atoms.occupancies))
    monkeypatch.setattr(pieces, "TRIES", 5)
    with pytest.raises(ValueError, match="piece-toy-0: nothing of 60 to 1200 kDa and 40 nm"):
        random_piece(spread, "piece-toy-0")


def test_a_run_names_them_after_what_they_are_made_of():
    config = SimulationConfig(
        structures=[{"id": "globule", "source": "phantom", "phantom": "globule"}, {"id": "groel", "pdb_id": "1oel"}],
        random_phantoms=1,
        random_pieces=2,
        datasets={
            "all": {"base": "poster"},
            **{f"of_{kind}": {"base": "poster", "select": {"structures": kind}} for kind in ("pieces", "deposited")},
        },
    )
    assert config.selected("all") == ("globule", "groel", "random-0", "piece-groel-0", "piece-groel-1")
    assert config.selected("of_pieces") == ("piece-groel-0", "piece-groel-1")
    assert config.selected("of_deposited") == ("groel",)
    made = config.structure("piece-groel-1")
    assert (made.piece_of, made.entry, made.source) == ("groel", "1oel", "pdb")
    assert SimulationConfig.model_validate(config.model_dump()) == config


def test_a_piece_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"structures.1.piece_of: 'groes' is no structure of the run"):
        SimulationConfig(
            structures=[{"id": "groel", "pdb_id": "1oel"}, {"id": "mine", "pdb_id": "1oel", "piece_of": "groes"}],
            datasets={"all": {"base": "poster"}},
        )
