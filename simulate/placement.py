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


FLIGHTS = 64
"""Flights tried at once: about one in sixteen meets a single sphere."""


def ballistic(rng: np.random.Generator, n_particles: int, radius: float) -> Array:
    """(n_particles, 3) centres, in the unit of `radius`; the geometry of `skopi.aggregate.build_bpca`."""
    centres = np.zeros((1, 3))
    while len(centres) < n_particles:
        farthest = np.linalg.norm(centres, axis=1).max() + radius
        start, end = random_directions(rng, 2 * FLIGHTS).reshape(2, FLIGHTS, 3) * max(2 * farthest, 4 * radius)
        flight = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
        to_centre = centres - start[:, None]  # (flights, centres, 3)
        along = np.einsum("fcx,fx->fc", to_centre, flight)
        chord2 = radius**2 - (np.einsum("fcx,fcx->fc", to_centre, to_centre) - along**2)
        distance = np.where(chord2 >= 0, along - np.sqrt(np.maximum(chord2, 0)), np.inf)
        target = distance.argmin(axis=1)
        for number in np.flatnonzero(np.isfinite(distance.min(axis=1))):
            hit = start[number] + distance[number, target[number]] * flight[number]
            centre = centres[target[number]]
            if _is_free(candidate := centre + 2 * (hit - centre), centres, radius):
                centres = np.vstack([centres, candidate])
                break
    return centres


def random_contact(rng: np.random.Generator, n_particles: int, radius: float) -> Array:
    """(n_particles, 3) centres, in the unit of `radius`."""
    centres = np.zeros((1, 3))
    while len(centres) < n_particles:
        neighbour = centres[rng.integers(len(centres))]
        if _is_free(candidate := neighbour + 2 * radius * random_directions(rng, 1)[0], centres, radius):
            centres = np.vstack([centres, candidate])
    return centres


MODELS = {"ballistic": ballistic, "random_contact": random_contact}


def random_directions(rng: np.random.Generator, n: int) -> Array:
    """(n, 3) unit vectors, uniform on the sphere."""
    vectors = rng.standard_normal((n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _is_free(candidate: Array, centres: Array, radius: float) -> bool:
    # The contact itself is 2 radius up to rounding.
    return bool(np.linalg.norm(centres - candidate, axis=1).min() >= 2 * radius * (1 - 1e-9))
