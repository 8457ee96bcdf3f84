"""How the particles of a multi-hit lie together.

Particles are bounding spheres here, of the structure's radius (largest distance of an atom from its centre). For a long
protein that is looser than the contact of the molecules themselves, so fringes are finer than in reality.

`ballistic`       skopi's model: each further particle flies along a random straight line through the aggregate's
                  surroundings and sticks to the first sphere it meets, pushed out to contact along the line of centres.
`random_contact`  each further particle touches a randomly chosen earlier one, in a uniformly random direction.

Both place the first particle at the origin, reject overlaps, and leave every particle in contact with another.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ballistic(rng: np.random.Generator, n_particles: int, radius: float) -> Array:
    """(n_particles, 3) centres in units of `radius`; see `skopi.aggregate.build_bpca`, whose geometry this repeats."""
    centres = np.zeros((1, 3))
    while len(centres) < n_particles:
        farthest = np.linalg.norm(centres, axis=1).max() + radius
        start, end = random_directions(rng, 2) * max(2 * farthest, 4 * radius)
        flight = (end - start) / np.linalg.norm(end - start)
        along = (centres - start) @ flight
        chord2 = radius**2 - (np.sum((centres - start) ** 2, axis=1) - along**2)
        distance = np.where(chord2 >= 0, along - np.sqrt(np.maximum(chord2, 0)), np.inf)
        target = int(np.argmin(distance))
        if np.isfinite(distance[target]):
            hit = start + distance[target] * flight
            centres = _add_unless_overlapping(centres, centres[target] + 2 * (hit - centres[target]), radius)
    return centres


def random_contact(rng: np.random.Generator, n_particles: int, radius: float) -> Array:
    """(n_particles, 3) centres in units of `radius`."""
    centres = np.zeros((1, 3))
    while len(centres) < n_particles:
        neighbour = centres[rng.integers(len(centres))]
        centres = _add_unless_overlapping(centres, neighbour + 2 * radius * random_directions(rng, 1)[0], radius)
    return centres


MODELS = {"ballistic": ballistic, "random_contact": random_contact}


def random_directions(rng: np.random.Generator, n: int) -> Array:
    """(n, 3) unit vectors, uniform on the sphere."""
    vectors = rng.standard_normal((n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _add_unless_overlapping(centres: Array, candidate: Array, radius: float) -> Array:
    distances = np.linalg.norm(centres - candidate, axis=1)
    # The contact itself is 2 radius up to rounding.
    return np.vstack([centres, candidate]) if distances.min() >= 2 * radius * (1 - 1e-9) else centres
