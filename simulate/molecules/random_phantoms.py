"""Molecules made up by chance, as many as one likes: lone lobes, rods, rings, stacked rings, cages.

A network that has to know single hits of proteins nobody trained on should have seen more shapes than the archive has
families. `random-<n>` is the n-th of an endless row, the same wherever it is asked for.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from simulate.molecules.phantom import DALTON_PER_CUBIC_ANGSTROM, Domain, Phantom

# fmt: off
SYMMETRIES = (
    "C1", "C1", "C1", "C2", "C2", "C3", "C3", "C4", "C5", "C6", "C7", "C12",
    "D2", "D3", "D4", "D5", "D6", "D7", "D8", "T", "O", "I",
)
# fmt: on
"""Each as likely; most complexes in the archive have no symmetry, two-fold or three-fold."""

MASSES_KDA = (60.0, 1200.0)
"""Evenly in the logarithm."""

DOMAIN_KDA = (12.0, 70.0)
"""Of one spheroid."""

TRIES = 2000
"""Of places for the first domain: about one in a hundred makes a molecule that holds together."""


def random_phantom(number: int) -> Phantom:
    """The n-th random phantom. Symmetry, mass, number and places of the domains are drawn until all hangs together.

    Its stated mass is that of all domains by themselves; where they overlap, the molecule is lighter.
    """
    generator = np.random.default_rng([number, *b"phantom"])
    while True:
        symmetry = str(generator.choice(SYMMETRIES))
        rotations = Rotation.create_group(symmetry).as_matrix()
        mass_kDa = math.exp(generator.uniform(*np.log(MASSES_KDA)))
        if (domains := strewn_domains(mass_kDa / len(rotations), rotations, generator)) is not None:
            text = f"Random phantom {number}: {len(domains)} {'domain' if len(domains) == 1 else 'domains'}, {symmetry}"
            return Phantom(text, round(mass_kDa), symmetry, domains)


def strewn_domains(
    unit_kDa: float, rotations: NDArray[np.float64], generator: np.random.Generator
) -> tuple[Domain, ...] | None:
    """Domains of an asymmetric unit that touch each other and their images without lying in them; None if none do."""
    number = min(8, max(1, round(unit_kDa / generator.uniform(*DOMAIN_KDA))))
    shares = generator.dirichlet(np.full(number, 4.0))
    radii = np.cbrt(3 / (4 * np.pi) * 1e3 * unit_kDa * shares / DALTON_PER_CUBIC_ANGSTROM)
    stretch = np.exp(generator.uniform(math.log(0.6), math.log(2.0), number))  # along over across
    axes = generator.standard_normal((number, 3))
    farthest = 4 * radii[0] * math.sqrt(len(rotations))
    for _ in range(TRIES if len(rotations) > 1 else 1):
        centres = np.empty((number, 3))
        centres[0] = generator.uniform(0, farthest) * direction(generator) if len(rotations) > 1 else 0
        for n in range(1, number):
            beside = generator.integers(n)
            centres[n] = centres[beside] + 0.85 * (radii[beside] + radii[n]) * direction(generator)
        if _holds_together(centres, radii, rotations):
            return tuple(
                Domain((x, y, z), radius * ratio ** (-1 / 3), radius * ratio ** (2 / 3), tuple(axis))
                for (x, y, z), radius, ratio, axis in zip(centres.tolist(), radii, stretch, axes.tolist(), strict=True)
            )
    return None


def _holds_together(centres: NDArray[np.float64], radii: NDArray[np.float64], rotations: NDArray[np.float64]) -> bool:
    """Whether all images, taken as balls, are one piece, and no two share more than a shallow lens."""
    places = np.einsum("gij,nj->gni", rotations, centres).reshape(-1, 3)
    sizes = np.tile(radii, len(rotations))
    distance = cdist(places, places) / (sizes[:, None] + sizes)
    np.fill_diagonal(distance, np.inf)
    return bool(distance.min() > 0.6 if len(places) > 1 else True) and (
        connected_components(distance < 0.95, directed=False)[0] == 1
    )


def direction(generator: np.random.Generator) -> NDArray[np.float64]:
    """(3,) of length 1, uniform over the sphere."""
    vector = generator.standard_normal(3)
    return vector / np.linalg.norm(vector)
