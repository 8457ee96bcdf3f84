"""Random assemblies: the same wherever asked for, in one piece, of the kind, mass and symmetry that they say."""

import numpy as np
import pytest

from simulate.config import SimulationConfig
from simulate.molecules import phantoms
from simulate.molecules.random_assemblies import KINDS, random_assembly
from simulate.molecules.random_phantoms import MASSES_KDA
from support.molecules import WITH_HYDROGENS, must_be_one_piece, must_have_the_symmetry

SOME = range(8)


def test_a_number_names_one_assembly():
    assert phantoms.named("assembled-5") == random_assembly(5)
    assert random_assembly(5) == random_assembly(5)
    assert len({random_assembly(n).domains for n in range(50)}) == 50


def test_every_kind_comes_and_masses_are_in_range():
    drawn = [random_assembly(n) for n in range(200)]
    assert {phantom.description.split(": ")[1].split(",")[0] for phantom in drawn} == set(KINDS)
    assert all(MASSES_KDA[0] <= phantom.mass_kDa <= MASSES_KDA[1] for phantom in drawn)


@pytest.mark.parametrize("number", SOME)
def test_it_is_one_piece_of_the_symmetry_and_at_most_of_the_mass(number):
    phantom, atoms = random_assembly(number), phantoms.build(f"assembled-{number}")
    # Arms of cores on an axis may lie in each other; of what overlaps there is one.
    assert 0.5 < atoms.mass_kDa * WITH_HYDROGENS / phantom.mass_kDa < 1.05
    must_have_the_symmetry(atoms.positions, phantom.symmetry)
    must_be_one_piece(atoms.positions)


def test_a_dumbbell_is_long_and_thin_at_its_waist():
    """Of most of its atoms, few lie about the middle of the longest axis."""
    numbers = [n for n in range(40) if "dumbbell" in random_assembly(n).description][:4]
    for number in numbers:
        positions = phantoms.build(f"assembled-{number}").positions
        along = positions @ np.linalg.svd(positions - positions.mean(0), full_matrices=False)[2][0]
        counts, _ = np.histogram(along, 12)
        assert counts[3:9].min() < 0.5 * counts.max()


def test_a_run_names_them_after_the_random_phantoms():
    config = SimulationConfig(
        structures=[{"id": "globule", "source": "phantom", "phantom": "globule"}],
        random_phantoms=1,
        random_assemblies=2,
        datasets={"noisy": {"base": "poster"}},
    )
    assert [s.id for s in config.structures] == ["globule", "random-0", "assembled-0", "assembled-1"]
    assert SimulationConfig.model_validate(config.model_dump()) == config
