"""A phantom: atoms of a protein's density in shapes that overlap nowhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Every job and every start of Snakemake reads a config, which names phantoms; scipy, half of what that took, is
# imported where atoms are placed.

Array = NDArray[np.float64]


DENSITY = 1.35
"""Of protein, hydrogens included [g/cm³]; a partial specific volume of 0.74 cm³/g."""


ATOMS_PER_RESIDUE = {"C": 4.9384, "N": 1.3577, "O": 1.4773, "S": 0.0417}
"""Heavy atoms of the average residue (averagine): Senko et al., J. Am. Soc. Mass Spectrom. 6, 229 (1995)."""


RESIDUE_MASS = 111.1254
"""Mass of that residue with its 7.7583 hydrogens [Da]."""


AVOGADRO = 6.02214076e23
"""[1/mol], by definition."""


CLOSEST = 1.4
"""Least distance between atoms [Å], about that of bonded ones."""


ATOM_DENSITY = DENSITY * AVOGADRO * 1e-24 * sum(ATOMS_PER_RESIDUE.values()) / RESIDUE_MASS
"""Heavy atoms per volume [Å⁻³]."""


DALTON_PER_CUBIC_ANGSTROM = ATOM_DENSITY * RESIDUE_MASS / sum(ATOMS_PER_RESIDUE.values())
"""Mass per volume, hydrogens included."""


class Domain(NamedTuple):
    """A spheroid, lengths in Å."""

    centre: tuple[float, float, float]
    across: float
    """Semi-axis perpendicular to `axis`."""
    along: float
    """Semi-axis along `axis`."""
    axis: tuple[float, float, float] = (0, 0, 1)
    """Direction of the axis of revolution, of any length."""


@dataclass(frozen=True)
class Phantom:
    """The plan of a made-up molecule."""

    description: str
    mass_kDa: float
    """With hydrogens, rounded."""
    symmetry: str
    """Point group (C3, D7, I); the main axis of C and D is z, a two-fold axis of D is x."""
    domains: tuple[Domain, ...]
    """Of one asymmetric unit."""

    @property
    def rotations(self) -> Array:
        """(order, 3, 3) operations of the point group, the identity first."""
        from scipy.spatial.transform import Rotation

        return Rotation.create_group(self.symmetry).as_matrix()

    def multiplicity(self, points: Array) -> NDArray[np.intp]:
        """(n,) number of domains of the whole molecule, overlapping ones each counted, that hold each (n, 3) point."""
        centres, across, along, axes = _columns(self.domains)
        count = np.zeros(len(points), np.intp)
        for rotation in self.rotations:
            offset = points[:, None] - centres @ rotation.T
            height = np.einsum("nki,ki->nk", offset, axes @ rotation.T)
            distance2 = np.square(offset).sum(axis=-1) - np.square(height)
            count += (distance2 / across**2 + np.square(height / along) <= 1).sum(axis=1)
        return count


def fill(phantom: Phantom, generator: np.random.Generator) -> Array:
    """Atoms of one asymmetric unit at protein density, clear of each other and of their images, (n, 3)."""
    from scipy.spatial import cKDTree

    n = round(ATOM_DENSITY * _unit_volume(phantom, generator))
    rotations = phantom.rotations
    unit = np.empty((0, 3))
    while len(unit) < n:
        candidates = np.concatenate([unit, _throw(phantom, 2 * (n - len(unit)) + 100, generator)])
        images = np.einsum("gij,nj->gni", rotations, candidates).reshape(-1, 3)
        pairs = cKDTree(images).query_pairs(CLOSEST, output_type="ndarray") % len(candidates)
        later = np.zeros(len(candidates), bool)  # of two that clash, so atoms once accepted stay
        later[pairs.max(axis=1)] = True
        unit = candidates[~later][:n]
    return unit


def _throw(phantom: Phantom, n: int, generator: np.random.Generator) -> Array:
    """Random points whose images cover the molecule uniformly, at most n: those thrown into overlaps are thinned."""
    points = _points_in_domains(phantom, n, generator)
    return points[generator.random(n) * phantom.multiplicity(points) < 1]


def _unit_volume(phantom: Phantom, generator: np.random.Generator) -> float:
    """Volume of the molecule over the order of its group [Å³], to about 0.1 % (131,072 random points)."""
    points = _points_in_domains(phantom, 2**17, generator)
    return float(_volumes(phantom).sum() * np.mean(1 / phantom.multiplicity(points)))


def _points_in_domains(phantom: Phantom, n: int, generator: np.random.Generator) -> Array:
    """(n, 3) points, uniform in each domain of the unit, domains chosen by their volume."""
    volumes = _volumes(phantom)
    chosen = generator.choice(len(volumes), n, p=volumes / volumes.sum())
    centres, across, along, axes = (column[chosen] for column in _columns(phantom.domains))
    ball = generator.standard_normal((n, 3))
    ball *= (generator.random(n) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
    height = np.einsum("ni,ni->n", ball, axes)
    return centres + across[:, None] * ball + ((along - across) * height)[:, None] * axes


def _columns(domains: Iterable[Domain]) -> tuple[Array, Array, Array, Array]:
    """Centres (k, 3), semi-axes across and along (k,), unit axes (k, 3)."""
    centres, across, along, axes = (np.array(column, float) for column in zip(*domains, strict=True))
    return centres, across, along, axes / np.linalg.norm(axes, axis=1, keepdims=True)


def _volumes(phantom: Phantom) -> Array:
    return np.array([4 / 3 * np.pi * domain.across**2 * domain.along for domain in phantom.domains])


def _elements(n: int, generator: np.random.Generator) -> NDArray[np.str_]:
    """Symbols of n heavy atoms in random order, as many of each as n residues' worth rounds to."""
    share = np.cumsum(list(ATOMS_PER_RESIDUE.values()))
    ends = np.rint(n * share / share[-1]).astype(int)
    return generator.permutation(np.repeat(list(ATOMS_PER_RESIDUE), np.diff(ends, prepend=0)))


def _turned(domains: Iterable[Domain], degrees: float) -> tuple[Domain, ...]:
    """Domains rotated about z, to the last digit as scipy.spatial.transform.Rotation does it."""
    z, w = np.sin(np.radians(degrees) / 2), np.cos(np.radians(degrees) / 2)
    rotation = np.array([[w * w - z * z, -2 * z * w, 0], [2 * z * w, w * w - z * z, 0], [0, 0, w * w + z * z]])
    return tuple(
        domain._replace(centre=tuple(rotation @ domain.centre), axis=tuple(rotation @ domain.axis))
        for domain in domains
    )
