"""The scattering of a regular icosahedron, of spheres and of ellipsoids, in closed form.

By the divergence theorem, twice, the transform of a body of flat faces is a sum over them,

    F(q) = (1 / (i q²)) Σ_faces (q·n) ∫_face exp(i q·r) dA,

and of a triangle abc of area A the integral is −2A times the second divided difference of exp(ix) at q·a, q·b, q·c
(Hermite and Genocchi). Nodes that lie close together would cancel in it: there it is summed as a Taylor series.
An icosahedron is its own inversion, so F is real.

Sizes are the radius of the circumscribed sphere: V = 2.536 R³, and the sphere of the same volume has 0.846 R.
"""

import math
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GOLDEN = (1 + math.sqrt(5)) / 2

_EDGE = 1 / math.sin(2 * math.pi / 5)
UNIT_VOLUME = 5 / 12 * (3 + math.sqrt(5)) * _EDGE**3
"""Of an icosahedron of circumradius 1: 2.536."""

EQUAL_VOLUME_SPHERE = (3 * UNIT_VOLUME / (4 * math.pi)) ** (1 / 3)
"""Radius of the sphere of the same volume over the circumradius: 0.846."""

CLOSE = 1.0
"""Nodes that span less are summed as a series."""

TERMS = 16
"""Of the series: the first left out is below 1/16! of the sum."""

SMALLEST = 1e-4
"""q R below which F is V, right to a part in 1e9; the sum over faces cancels as 1 / (q R)."""


@lru_cache(maxsize=1)
def vertices() -> Array:
    """(12, 3) on the unit sphere; every coordinate plane is a mirror of the body."""
    points = [(0, s, t * GOLDEN) for s in (-1, 1) for t in (-1, 1)]
    corners = np.array([np.roll(point, turn) for turn in range(3) for point in points], dtype=np.float64)
    return corners / math.hypot(1, GOLDEN)


@lru_cache(maxsize=1)
def faces() -> NDArray[np.int64]:
    """(20, 3) corners of each face, any order."""
    corners = vertices()
    near = np.linalg.norm(corners[:, None] - corners, axis=-1) < 1.1 * _EDGE
    found = [t for t in combinations(range(12), 3) if near[t[0], t[1]] and near[t[1], t[2]] and near[t[0], t[2]]]
    return np.array(found)


def divided_difference(nodes: Array) -> NDArray[np.complex128]:
    """Second divided difference of exp(ix) at nodes (n, 3); (n,)."""
    nodes = np.sort(nodes, axis=1)
    middle = nodes.mean(1)
    a, b, c = (nodes - middle[:, None]).T
    close = c - a < CLOSE
    span = np.where(close, 1.0, c - a)
    result = (_first(b, c) - _first(a, b)) / span
    if close.any():
        result[close] = _series(a[close], b[close], c[close])
    return result * np.exp(1j * middle)


def _first(a: Array, b: Array) -> NDArray[np.complex128]:
    return 1j * np.exp(0.5j * (a + b)) * np.sinc((b - a) / (2 * np.pi))


def _series(a: Array, b: Array, c: Array) -> NDArray[np.complex128]:
    """Σ i^n / n! h_(n-2)(a, b, c), h the complete homogeneous polynomials."""
    total = np.zeros(len(a), np.complex128)
    one, two, three = np.ones_like(a), np.ones_like(a), np.ones_like(a)  # h_k of a; of a, b; of a, b, c
    for n in range(2, TERMS + 2):
        total += 1j**n / math.factorial(n) * three
        one = one * a
        two = one + b * two
        three = two + c * three
    return total


def icosahedron(q: Array, radius: float = 1.0) -> Array:
    """F(q) of a body of density 1 and this circumradius, at q (..., 3); (...), of the unit of radius³."""
    flat = np.asarray(q, np.float64).reshape(-1, 3) * radius
    total = np.zeros(len(flat))
    corners = vertices()
    waves = flat @ corners.T
    for face in faces():
        a, b, c = corners[face]
        normal = np.cross(b - a, c - a)
        normal *= math.copysign(1.0, float(normal @ (a + b + c)))  # its length is twice the area
        if normal @ (1.0, 1e-3, 1e-6) < 0:
            continue  # the opposite face gives the same
        total += 2 * (flat @ normal) * -divided_difference(waves[:, face]).imag
    squared = (flat * flat).sum(1)
    tiny = squared < SMALLEST**2
    values = np.where(tiny, UNIT_VOLUME, total / np.where(tiny, 1.0, squared))
    return (radius**3 * values).reshape(np.shape(q)[:-1])


def sphere(q: Array, radius: float) -> Array:
    """F(q) of a ball of density 1 at lengths q (...)."""
    x = np.asarray(q, np.float64) * radius
    small = x < 0.05
    y = np.where(small, 1.0, x)
    shape = np.where(small, 1 - x * x / 10 + x**4 / 280, 3 * (np.sin(y) - y * np.cos(y)) / y**3)
    return 4 / 3 * np.pi * radius**3 * shape


def ellipsoid(q: Array, semi_axes: Array) -> Array:
    """F(q) of an ellipsoid of density 1 with these semi-axes (3,) along x, y and z, at q (..., 3); (...)."""
    semi_axes = np.asarray(semi_axes, np.float64)
    return float(np.prod(semi_axes)) * sphere(np.linalg.norm(q * semi_axes, axis=-1), 1.0)
