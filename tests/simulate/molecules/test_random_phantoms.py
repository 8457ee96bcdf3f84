"""Random phantoms: the same wherever asked for, in one piece, of the mass and symmetry that they say."""

import numpy as np
import pytest

from simulate.molecules import phantoms
from simulate.molecules.random_phantoms import MASSES_KDA, SYMMETRIES, random_phantom
from support.molecules import WITH_HYDROGENS, must_be_one_piece, must_have_the_symmetry

SOME = range(8)


def test_a_number_names_one_phantom():
    assert phantoms.named("random-5") == random_phantom(5)
    assert random_phantom(5) == random_phantom(5)
    assert len({random_phantom(n).domains for n in range(50)}) == 50


def test_every_symmetry_comes_and_masses_are_in_range():
    drawn = [random_phantom(n) for n in range(300)]
    assert {phantom.symmetry for phantom in drawn} == set(SYMMETRIES)
    assert all(MASSES_KDA[0] <= phantom.mass_kDa <= MASSES_KDA[1] for phantom in drawn)


@pytest.mark.parametrize("number", SOME)
def test_the_atoms_have_the_mass_and_the_symmetry(number):
    phantom, atoms = random_phantom(number), phantoms.build(f"random-{number}")
    # Two balls of radius r whose centres are 1.2 r apart, the nearest allowed, share 22 % of the volume of each; where
    # they touch as built, at 1.7 r, 1 %. Spheroids may share more.
    assert 0.7 < atoms.mass_kDa * WITH_HYDROGENS / phantom.mass_kDa < 1.01
    must_have_the_symmetry(atoms.positions, phantom.symmetry)


@pytest.mark.parametrize("number", SOME)
def test_it_is_one_piece(number):
    must_be_one_piece(phantoms.build(f"random-{number}").positions)


def test_what_is_no_number_is_no_name():
    for name in ("random", "random--1", "random-x", "random-1000000000"):
        with pytest.raises(KeyError, match="no phantom"):
            phantoms.named(name)


def test_domains_touch_without_lying_in_each_other():
    for number in range(40):
        phantom = random_phantom(number)
        centres = np.array([domain.centre for domain in phantom.domains])
        radii = np.array([(domain.across**2 * domain.along) ** (1 / 3) for domain in phantom.domains])
        places = np.einsum("gij,nj->gni", phantom.rotations, centres).reshape(-1, 3)
        sizes = np.tile(radii, len(phantom.rotations))
        for row in range(len(places)):
            apart = np.linalg.norm(places - places[row], axis=1) / (sizes + sizes[row])
            assert np.delete(apart, row).min(initial=1) > 0.6 - 1e-9
