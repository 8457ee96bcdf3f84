"""Made-up molecules with the density and composition of protein, for runs that need no PDB entry.

A phantom is a union of spheroids, its domains, repeated by a point group. Atoms are thrown into the domains of one
asymmetric unit uniformly at random and rejected where they come too near to another atom or to an atom's image (random
sequential addition); the point group then makes the molecule, so that its symmetry is exact. Hydrogens are left out, as
in most deposited structures, but their mass is counted in the density and in the stated masses. Order within a domain
ends there: at resolutions finer than a nanometre or so, phantoms are not protein.
"""

import re

import numpy as np
from numpy.typing import NDArray

from frames.schema import did_you_mean
from simulate.molecules.atoms import Atoms
from simulate.molecules.phantom import Domain, Phantom, _elements, _turned, fill

Array = NDArray[np.float64]

RANDOM_PHANTOM = re.compile(r"(random|assembled)-(\d{1,6})")
"""Names of phantoms that are made up by chance."""

RANDOM = re.compile(rf"{RANDOM_PHANTOM.pattern}|piece-.+-\d{{1,6}}")
"""Names of all molecules that are: of pieces of deposited ones, too (simulate/molecules/pieces.py)."""


def named(name: str) -> Phantom:
    """The plan of a phantom: one of `PHANTOMS`, or `random-<n>` and `assembled-<n>`, see
    simulate/molecules/random_phantoms.py and random_assemblies.py.

    Raises
    ------
    KeyError that lists the known phantoms.
    """
    try:
        must_be_known(name)
    except ValueError as error:
        raise KeyError(*error.args) from error
    if match := RANDOM_PHANTOM.fullmatch(name):
        from simulate.molecules.random_assemblies import random_assembly
        from simulate.molecules.random_phantoms import random_phantom

        return {"random": random_phantom, "assembled": random_assembly}[match[1]](int(match[2]))
    return PHANTOMS[name]


def must_be_known(name: str) -> None:
    """ValueError that lists the known phantoms where this is none of them."""
    if name not in PHANTOMS and not RANDOM_PHANTOM.fullmatch(name):
        meant = did_you_mean(name, PHANTOMS)
        raise ValueError(
            f"no phantom {name!r}; known: {', '.join(sorted(PHANTOMS))} and random-<n>, assembled-<n>{meant}"
        )


def build(name: str) -> Atoms:
    """Centred atoms of a phantom, the same on every call.

    Raises
    ------
    KeyError that lists the known phantoms.
    """
    phantom = named(name)
    generator = np.random.default_rng(list(name.encode()))
    unit = fill(phantom, generator)
    positions = np.einsum("gij,nj->gni", phantom.rotations, unit).reshape(-1, 3)
    elements = np.tile(_elements(len(unit), generator), len(phantom.rotations))
    return Atoms(elements, positions, np.ones(len(positions))).centred()


_SPIKE_BODY = (
    Domain((15, 0, -28), across=17, along=58, axis=(0.1, 0, 1)),
    Domain((28, 0, 18), across=21, along=23),
    Domain((50, 14, 30), across=21, along=28, axis=(1, 0, 1)),
)
_SPIKE_ARM_DOWN = Domain((19, -12, 50), across=16, along=24, axis=(1, 1, 0.3))
_SPIKE_ARM_UP = Domain((30, -12, 62), across=16, along=24, axis=(0.3, 0, 1))

PHANTOMS: dict[str, Phantom] = {
    "globule": Phantom(
        "Three overlapping lobes without symmetry, the smallest",
        60,
        "C1",
        (
            Domain((0, 0, 0), across=21, along=25),
            Domain((22, 0, 10), across=17, along=20, axis=(1, 1, 0)),
            Domain((4, 18, -12), across=16, along=16),
        ),
    ),
    "wishbone": Phantom(
        "Y of two arms and a stem, two-fold, like an antibody",
        150,
        "C2",
        (
            Domain((11, 0, -34), across=16, along=34),
            Domain((31, 0, 20), across=19.3, along=38, axis=(1, 0, 0.8)),
        ),
    ),
    "hexamer": Phantom(
        "Flat six-fold disc with lobes at its rim and a pore",
        420,
        "C6",
        (
            Domain((46, 0, 0), across=25, along=24),
            Domain((70, 12, 10), across=19, along=21, axis=(1, 0.5, 0)),
        ),
    ),
    "portal": Phantom(
        "Hollow twelve-fold cone, wide crown above a narrow stem, like a phage connector",
        430,
        "C12",
        (
            Domain((36, 0, -18), across=13, along=35, axis=(0.3, 0.3, 1)),
            Domain((55, 0, 22), across=16, along=22, axis=(1, 0, 0.3)),
        ),
    ),
    "spike_closed": Phantom("Three-fold spike with its three arms down", 400, "C3", (*_SPIKE_BODY, _SPIKE_ARM_DOWN)),
    "spike_open": Phantom(
        "The same spike with one of its three arms up, the hard pair",
        400,
        "C1",
        (
            *_SPIKE_BODY,
            _SPIKE_ARM_UP,
            *_turned((*_SPIKE_BODY, _SPIKE_ARM_DOWN), 120),
            *_turned((*_SPIKE_BODY, _SPIKE_ARM_DOWN), 240),
        ),
    ),
    "double_ring": Phantom(
        "Two stacked seven-fold rings around a cavity, like GroEL",
        800,
        "D7",
        (
            Domain((43, 6, 19), across=21, along=21),
            Domain((54, 8, 42), across=14, along=17),
            Domain((46, 7, 59), across=17, along=22, axis=(1, 0.15, -0.4)),
        ),
    ),
    "shell": Phantom(
        "Hollow icosahedral shell of sixty copies, like a small capsid",
        840,
        "I",
        (Domain((11, 12, 65), across=17, along=14.5, axis=(11, 12, 65)),),
    ),
}
"""The known phantoms by name."""
