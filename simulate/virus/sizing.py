"""Radial profiles of a ball and of an icosahedron, by size, as templates for the size of a particle.

Sizes are an icosahedron's circumdiameter throughout; a ball's is given as the circumdiameter of the icosahedron of its
volume, its own diameter over 0.846. An icosahedron's profile is its mean over orientations, drawn evenly on the sphere:
turning about the beam does not change it, the flat detector's curvature aside.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulate.virus.icosahedron import EQUAL_VOLUME_SPHERE, icosahedron, sphere

Array = NDArray[np.float64]

N_DIRECTIONS = 400


@lru_cache(maxsize=4)
def unit_profile(reach: float, step: float = 0.02) -> tuple[Array, Array]:
    """<|f|²>(x) of a unit icosahedron, x = q R up to `reach`: (x, profile)."""
    x = np.arange(0, reach + step, step)
    i = np.arange(N_DIRECTIONS) + 0.5
    z, angle = 1 - 2 * i / N_DIRECTIONS, np.pi * (1 + 5**0.5) * i  # Fibonacci
    across = np.sqrt(1 - z * z)
    directions = np.stack([across * np.cos(angle), across * np.sin(angle), z], 1)
    profile = np.zeros_like(x)
    for direction in directions:
        profile += icosahedron(x[:, None] * direction) ** 2
    return x, profile / N_DIRECTIONS


def templates(q: Array, diameters_nm: Array, body: str) -> Array:
    """(sizes, q) mean intensity of balls or icosahedra, at lengths q [1/A], each normalised to a sum of 1."""
    radii = 5 * np.asarray(diameters_nm)
    if body == "sphere":
        found = np.stack([sphere(q, radius * EQUAL_VOLUME_SPHERE) ** 2 for radius in radii])
    elif body == "icosahedron":
        x, profile = unit_profile(float(np.ceil(q.max() * radii.max())))
        found = np.stack([np.interp(q * radius, x, profile) for radius in radii])
    else:
        raise ValueError(f"no template is called {body!r}; there are sphere and icosahedron")
    return found / found.sum(1, keepdims=True)
