"""Molecules made up by chance of pieces of a deposited one: cut, taken apart, put together anew.

Random phantoms have the shapes of many molecules and the texture of none: their atoms are strewn. What is made here has
chains folded as proteins are. `piece-6vxx-3` is the third of an endless row made of 6vxx, the same wherever it is asked
for, and of nothing else: where the family of 6vxx is held out, so are its pieces.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from simulate.molecules.atoms import Atoms
from simulate.molecules.random_phantoms import MASSES_KDA, direction

Array = NDArray[np.float64]

EXTENT = 400.0
"""Of a molecule, at most [Å]: what the experiments here sample well."""

LEAST_CHAIN = 40
"""Residues of a chain that something is made of; shorter ones are peptides and sugars."""

NEIGHBOURS = 10.0
"""Between the first atoms of two residues that hold together, at most [Å]: those that follow each other have 3.8."""

CONTACT = 3.0, 8.0
"""Between the nearest first atoms of two units that were put together [Å], drawn evenly: an interface, or a touch."""

TRIES = 500


class Chained(NamedTuple):
    """Atoms, and which chain and residue each is of."""

    atoms: Atoms
    chain: NDArray[np.int64]
    """(n,) number of the chain"""
    residue: NDArray[np.int64]
    """(n,) number of the residue, none twice, those of a chain following each other; sorted"""

    def take(self, of_atoms: NDArray[np.bool_]) -> Self:
        """These atoms (n,)."""
        some = self.atoms
        kept = Atoms(some.elements[of_atoms], some.positions[of_atoms], some.occupancies[of_atoms])
        return type(self)(kept, self.chain[of_atoms], self.residue[of_atoms])

    def moved(self, rotation: Array, by: Array) -> Self:
        """Turned, then shifted by (3,) [Å]."""
        positions = self.atoms.positions @ rotation.T + by
        return self._replace(atoms=Atoms(self.atoms.elements, positions, self.atoms.occupancies))

    @property
    def firsts(self) -> Array:
        """(residues, 3) of the first atom of each residue [Å]."""
        return self.atoms.positions[np.unique(self.residue, return_index=True)[1]]

    @property
    def is_of_size(self) -> bool:
        """Whether its mass is one of a random molecule's, and it is not too long."""
        lower, upper = MASSES_KDA
        return lower <= self.atoms.mass_kDa <= upper and self.atoms.extent <= EXTENT


def random_piece(source: Chained, name: str) -> tuple[Atoms, str]:
    """Centred atoms of the molecule of this name, made of the source's, and what it is.

    Raises
    ------
    ValueError where nothing of the source has the size of a molecule.
    """
    generator = np.random.default_rng(list(name.encode()))
    for _ in range(TRIES):
        kind = str(generator.choice(list(KINDS), p=SHARES))
        made = KINDS[kind](source, generator)
        if made is not None and made[0].is_of_size:
            return made[0].atoms.centred(), f"{kind}, {made[1]}"
    raise ValueError(
        f"{name}: nothing of {MASSES_KDA[0]:g} to {MASSES_KDA[1]:g} kDa and {EXTENT / 10:g} nm was found in {TRIES} "
        "tries; make no pieces of this structure"
    )


Made = tuple[Chained, str] | None
"""A molecule and its composition; None where the draw made none."""


def cut(source: Chained, generator: np.random.Generator) -> Made:
    """What lies on one side of a plane, as far as it hangs together."""
    share = generator.uniform(0.25, 0.85)
    along = source.firsts @ direction(generator)
    kept = _of_residues(source, along > np.quantile(along, 1 - share))
    return largest_part(kept), f"{100 * share:.0f} % of the residues"


def chains(source: Chained, generator: np.random.Generator) -> Made:
    """Some chains that touch."""
    known = long_chains(source)
    if len(known) < 2:
        return None
    number = int(generator.integers(1, len(known)))
    firsts = {chain: source.take(source.chain == chain).firsts for chain in known}
    taken = [int(generator.choice(known))]
    while len(taken) < number:
        tree = cKDTree(np.concatenate([firsts[chain] for chain in taken]))
        near = [
            chain
            for chain in known
            if chain not in taken and tree.query(firsts[chain], distance_upper_bound=NEIGHBOURS)[0].min() < NEIGHBOURS
        ]
        if not near:
            break
        taken.append(int(generator.choice(near)))
    return source.take(np.isin(source.chain, taken)), f"{len(taken)} of {len(known)} chains"


def unit(source: Chained, generator: np.random.Generator) -> Chained:
    """A chain, or a part of one that follows itself, in any orientation about the origin."""
    chain = source.take(source.chain == generator.choice(long_chains(source)))
    residues = np.unique(chain.residue)
    if generator.random() < 0.6:
        n = int(generator.uniform(0.3, 1.0) * len(residues))
        first = int(generator.integers(len(residues) - n + 1))
        chain = largest_part(chain.take(np.isin(chain.residue, residues[first : first + n])))
    return chain.moved(np.eye(3), -chain.firsts.mean(axis=0)).moved(
        Rotation.random(rng=generator).as_matrix(), np.zeros(3)
    )


def oligomer(source: Chained, generator: np.random.Generator) -> Made:
    """A ring of 2 to 8 units, or two rings one upside down upon the other: C2 to C8, D2 to D7."""
    one, order, distance = unit(source, generator), int(generator.integers(2, 9)), generator.uniform(*CONTACT)
    if (ring := _ring(one, order, distance)) is None:
        return None
    if order == 8 or generator.random() < 0.5:
        return ring, f"C{order}"
    turn = np.diag([1.0, -1.0, -1.0])
    below = ring.moved(turn, np.zeros(3)).moved(_about_z(generator.uniform(0, 2 * np.pi / order)), np.zeros(3))
    if (raised := slid(below, ring, np.array([0, 0, 1.0]), distance)) is None:
        return None
    return joined(below, raised), f"D{order}"


def lobes(source: Chained, generator: np.random.Generator) -> Made:
    """Two units that touch, alike by a two-fold axis or not: what may look like two particles."""
    distance = generator.uniform(*CONTACT)
    if generator.random() < 0.5:
        ring = _ring(unit(source, generator), 2, distance)
        return None if ring is None else (ring, "C2")
    one, other = unit(source, generator), unit(source, generator)
    there = slid(one, other, direction(generator), distance)
    return None if there is None else (joined(one, there), "two units")


def armed(source: Chained, generator: np.random.Generator) -> Made:
    """A core, as `cut`, `chains` or `oligomer` make one, and one to four units about an axis through it."""
    cores: list[Callable[[Chained, np.random.Generator], Made]] = [cut, chains, oligomer]
    if (core := cores[generator.integers(3)](source, generator)) is None:
        return None
    middle = core[0].moved(np.eye(3), -core[0].firsts.mean(axis=0))
    arm, order, outwards = unit(source, generator), int(generator.integers(1, 5)), direction(generator)
    made = middle
    for n in range(order):
        turn = _about_z(2 * np.pi * n / order)
        there = slid(middle, arm.moved(turn, np.zeros(3)), turn @ outwards, generator.uniform(*CONTACT))
        if there is None:
            return None
        made = joined(made, there)
    return made, f"{order} arms on {core[1]}"


KINDS: dict[str, Callable[[Chained, np.random.Generator], Made]] = {
    "cut": cut,
    "chains": chains,
    "oligomer": oligomer,
    "lobes": lobes,
    "armed": armed,
}
SHARES = 0.2, 0.2, 0.25, 0.1, 0.25
"""Of the kinds, in their order, among tries."""


def long_chains(source: Chained) -> list[int]:
    """Numbers of the chains that something can be made of; ValueError where there is none."""
    residues, first = np.unique(source.residue, return_index=True)
    numbers, n_residues = np.unique(source.chain[first], return_counts=True)
    if not len(found := numbers[n_residues >= LEAST_CHAIN].tolist()):
        raise ValueError(f"none of {len(numbers)} chains, {len(residues)} residues, has {LEAST_CHAIN} residues")
    return found


def largest_part(some: Chained) -> Chained:
    """The most residues that hang together."""
    firsts = some.firsts
    pairs = cKDTree(firsts).query_pairs(NEIGHBOURS, output_type="ndarray")
    joint = coo_array((np.ones(len(pairs)), pairs.T), (len(firsts), len(firsts)))
    part = connected_components(joint, directed=False)[1]
    return _of_residues(some, part == np.bincount(part).argmax())


def slid(fixed: Chained, moving: Chained, along: Array, distance: float) -> Chained | None:
    """One that comes from afar against `along` (3,) and stops where it touches; None where it passes by."""
    tree, firsts = cKDTree(fixed.firsts), moving.firsts
    far = float(np.ptp(fixed.firsts, axis=0).sum() + np.ptp(firsts, axis=0).sum())
    at = far
    while at > -far:
        apart = tree.query(firsts + at * along)[0].min() - distance
        if apart < 0.1:
            return moving.moved(np.eye(3), at * along)
        at -= apart  # no residue is nearer, so none can be passed through
    return None


def joined(*parts: Chained) -> Chained:
    """Several as one; chains and residues of each are told apart."""
    n_chains = np.cumsum([0, *(part.chain.max() + 1 for part in parts)])
    n_residues = np.cumsum([0, *(part.residue.max() + 1 for part in parts)])
    atoms = [part.atoms for part in parts]
    return Chained(
        Atoms(
            *(
                np.concatenate([getattr(one, name) for one in atoms])
                for name in ("elements", "positions", "occupancies")
            )
        ),
        np.concatenate([part.chain + n for part, n in zip(parts, n_chains[:-1], strict=True)]),
        np.concatenate([part.residue + n for part, n in zip(parts, n_residues[:-1], strict=True)]),
    )


def _ring(one: Chained, order: int, distance: float) -> Chained | None:
    """Units about z, as wide as neighbours touch; None where they never do."""
    firsts, turn = one.firsts, _about_z(2 * np.pi / order)
    radius = float(np.ptp(firsts, axis=0).sum()) / (2 * np.sin(np.pi / order))
    while radius > 0:
        out = firsts + np.array([radius, 0, 0])
        apart = cKDTree(out).query(out @ turn.T)[0].min() - distance
        if apart < 0.1:
            there = one.moved(np.eye(3), np.array([radius, 0, 0]))
            return joined(*(there.moved(_about_z(2 * np.pi * n / order), np.zeros(3)) for n in range(order)))
        radius -= apart / (2 * np.sin(np.pi / order))  # by which neighbours come nearer, at most
    return None


def _about_z(angle: float) -> Array:
    return Rotation.from_euler("z", angle).as_matrix()


def _of_residues(some: Chained, kept: NDArray[np.bool_]) -> Chained:
    """The atoms of residues (residues,), in their order."""
    return some.take(kept[np.unique(some.residue, return_inverse=True)[1]])
