"""A layer of water around a molecule: explicit molecules of bulk density.

skopi's layer is a mask on a mesh of 2 Å: the voxels within nominally 3.5 Å + thickness of an atom and not within 3.5 Å,
after a morphological closing that fills pockets (its balls are octahedra), each a point of 0.334 electrons/Å³ that
scatters alike at every angle. Here are atoms with their form factors instead, in the same volume as everything else,
and pockets and cavities are filled where a molecule fits.

Where: an oxygen lies between CONTACT and CONTACT + thickness from the nearest atom of the molecule other than hydrogen,
wherever that is; a cavity holds water if it has room for an oxygen at CONTACT from all atoms around. Hydrogen atoms of
the molecule, 1 Å from their neighbour, are then at least 1.8 Å from an oxygen. Water's own hydrogens turn freely.

How: oxygens sit on a face-centred cubic lattice of bulk density, turned and shifted at random, each moved evenly in a
ball of WANDER, so that no two are nearer than HARD_CORE. A lattice shaken like this fluctuates in number only at its
borders: water is nearly incompressible, and points thrown at random would scatter far too much at small angles. Its
Bragg reflections begin at q = 2.2 Å⁻¹; a resolution of 1 nm is 0.6 Å⁻¹.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from simulate.molecules.atoms import Atoms
from simulate.orientation import random_orientations, rotation_matrices

Array = NDArray[np.float64]

DENSITY = 0.0334
"""Molecules of bulk water per volume, 0.997 g/cm³ [Å⁻³]."""

CONTACT = 2.8
"""Least distance of an oxygen from an atom of the molecule: a hydrogen bond [Å]."""

HARD_CORE = 2.6
"""Least distance of two oxygens, of which most are 2.8 Å apart in the liquid [Å]."""

LATTICE = (4 / DENSITY) ** (1 / 3)
"""Edge of the cubic cell, which holds four molecules [Å]."""

WANDER = (LATTICE / np.sqrt(2) - HARD_CORE) / 2
"""Each of two neighbours may come nearer by this much [Å]."""

BOND, ANGLE = 0.9572, np.radians(104.52)
"""Of O-H [Å] and H-O-H in the gas: Benedict, Gailar & Plyler, J. Chem. Phys. 24, 1139 (1956)."""


def hydrated(atoms: Atoms, thickness_angstrom: float, seed: int) -> Atoms:
    """The same atoms and, behind them, O, H, H of every water molecule of a layer around them.

    Returns the atoms as they are for a thickness of 0; the same waters for the same seed.

    Raises
    ------
    ValueError for a negative thickness, or for atoms that are all hydrogen.
    """
    if thickness_angstrom < 0:
        raise ValueError(f"thickness {thickness_angstrom:g} Å of the layer of water; expected 0 or more")
    if thickness_angstrom == 0:
        return atoms
    heavy = atoms.positions[atoms.elements != "H"]
    if not len(heavy):
        raise ValueError("no atom but hydrogen to put water around; water is laid around the other atoms")
    rng = np.random.default_rng(seed)
    farthest = CONTACT + thickness_angstrom
    oxygens = _bulk(heavy.min(axis=0) - farthest, heavy.max(axis=0) + farthest, rng)
    distance, _ = cKDTree(heavy).query(oxygens, distance_upper_bound=farthest)
    oxygens = oxygens[(distance >= CONTACT) & np.isfinite(distance)]
    half = ANGLE / 2
    arms = BOND * np.array([[0, 0, 0], [np.sin(half), 0, np.cos(half)], [-np.sin(half), 0, np.cos(half)]])
    turned = np.einsum("nij,aj->nai", rotation_matrices(random_orientations(rng, len(oxygens))), arms)
    waters = (oxygens[:, None] + turned).reshape(-1, 3)
    return Atoms(
        np.concatenate([atoms.elements, np.tile(["O", "H", "H"], len(oxygens))]),
        np.concatenate([atoms.positions, waters]),
        np.concatenate([atoms.occupancies, np.ones(len(waters))]),
    )


def _bulk(lowest: Array, highest: Array, rng: np.random.Generator) -> Array:
    """(n, 3) oxygens of bulk water in the box between two corners."""
    middle, reach = (lowest + highest) / 2, np.linalg.norm(highest - lowest) / 2
    turn = rotation_matrices(random_orientations(rng, 1))[0]
    shift = rng.random(3)
    cells = np.arange(-np.ceil(reach / LATTICE) - 2, np.ceil(reach / LATTICE) + 2)
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) + shift
    sites = []
    for layer in cells:  # one after another, since most of the ball around the box is outside the box
        plane = np.stack(np.meshgrid(layer, cells, cells, indexing="ij"), axis=-1).reshape(-1, 1, 3)
        points = (plane + corners).reshape(-1, 3) @ turn.T * LATTICE + middle
        points = points[((points > lowest - WANDER) & (points < highest + WANDER)).all(axis=1)]
        sites.append(points)
    oxygens = np.concatenate(sites)
    away = rng.standard_normal(oxygens.shape)
    away *= WANDER * (rng.random(len(oxygens)) ** (1 / 3) / np.linalg.norm(away, axis=1))[:, None]
    return oxygens + away
