"""One volume for viruses of every size, and what a shot's parts scatter.

F(q; R) = R³ f(q R): the volume of a virus of circumradius 1 is made once from the closed form and sliced at q R. Its
samples are filtered so that the quadratic B-splines of the fast core pass through them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter

from frames.rng import uniforms
from simulate.diffraction.patterns import field_at
from simulate.diffraction.volume import SPLINE_MARGIN, Volume
from simulate.orientation import rotation_matrices
from simulate.virus.config import VirusConfig
from simulate.virus.icosahedron import ellipsoid, icosahedron, sphere

Array = NDArray[np.float64]

SPACING = 0.5
"""Voxel size, in units of 1 / circumradius: 12.6 voxels a period of the fastest fringe."""

PER_NM3 = 1e-3
"""Electrons/nm3 in electrons/A3."""

MOST = 5
"""Particles of an aggregate."""


def shells(config: VirusConfig) -> tuple[tuple[float, float], ...]:
    """(part of the circumradius, electrons/A3 added inside of it) of each layer, from without."""
    capsid, membrane, core = (PER_NM3 * density for density in (config.capsid, config.membrane, config.core))
    return (1.0, capsid), (config.membrane_from, membrane - capsid), (config.core_from, core - membrane)


def layered(q: Array, layers: tuple[tuple[float, float], ...]) -> Array:
    """F of nested icosahedra of circumradius 1, at q (..., 3) in units of its inverse; (...)."""
    return np.sum([density * icosahedron(q, part) for part, density in layers], axis=0)


def unit_volume(layers: tuple[tuple[float, float], ...], reach: float) -> Volume:
    """The volume of nested icosahedra of circumradius 1, up to |q| = reach."""
    half = int(np.ceil(reach / SPACING)) + 6  # the filter's edge dies out by 0.17 a voxel
    axis = np.arange(half + 1) * SPACING
    octant = layered(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1), layers)
    mirrored = np.abs(np.arange(-half, half + 1))  # every coordinate plane is a mirror
    samples = octant[np.ix_(mirrored, mirrored, mirrored)]
    field = spline_filter(samples, order=2, mode="mirror")[half - SPLINE_MARGIN :]
    return Volume(field=field.astype(np.complex64), spacing=SPACING, radius=1.0, accuracy=1e-3)


@dataclass(frozen=True)
class Part:
    """One body of a shot."""

    body: str
    """virus, shell, core or ellipsoid"""
    radius: float
    """circumradius, or that of the ball of the same volume [A]"""
    turn: Array
    """(3, 3) sample frame to lab frame"""
    place: Array
    """(3,) of its middle [A]"""
    axes: Array
    """(3,) semi-axes over the radius, of ellipsoids"""


@dataclass(frozen=True)
class Bodies:
    """What all shots of a config share."""

    virus: Volume
    hollow: Volume
    core: float
    """electrons/A3"""
    droplet: float

    @classmethod
    def of(cls, config: VirusConfig, q_max: float) -> "Bodies":
        """Volumes that reach q_max [1/A] for the largest virus."""
        reach = 1.02 * q_max * 5 * config.diameter_nm[1]
        layers = shells(config)
        empty = (*layers[:2], (config.core_from, -PER_NM3 * config.membrane))
        return cls(
            virus=unit_volume(layers, reach),
            hollow=unit_volume(empty, reach),
            core=PER_NM3 * config.core,
            droplet=PER_NM3 * config.droplet,
        )

    def arrays(self) -> dict[str, Any]:
        """For a file, as `of_arrays` reads it."""
        volumes = {"virus": self.virus, "shell": self.hollow}
        parts = {f"{name}_{key}": value for name, volume in volumes.items() for key, value in vars(volume).items()}
        return {**parts, "core": self.core, "droplet": self.droplet}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """What `arrays` gave."""
        virus, shell = (
            Volume(**{key.removeprefix(name): value for key, value in arrays.items() if key.startswith(name)})
            for name in ("virus_", "shell_")
        )
        return cls(virus, shell, arrays["core"], arrays["droplet"])

    def field(self, part: Part, q: Array) -> NDArray[np.complexfloating]:
        """F(q) [electrons] of a part about its own middle, at q (n, 3) of the lab [1/A]; (n,)."""
        own = q @ part.turn
        if part.body in ("virus", "shell"):
            volume = self.virus if part.body == "virus" else self.hollow
            return part.radius**3 * field_at(volume, own * part.radius)
        if part.body == "core":
            return self.core * sphere(np.linalg.norm(own, axis=-1), part.radius).astype(np.complex128)
        return self.droplet * ellipsoid(own, part.axes * part.radius).astype(np.complex128)


def _turns(seed: int) -> Array:
    """(MOST, 3, 3) uniform over all rotations (Shoemake 1992)."""
    a, b, c = uniforms(np.array([seed], np.uint64), "orientation", 3 * MOST).reshape(MOST, 3).T
    low, high, b, c = np.sqrt(1 - a), np.sqrt(a), 2 * np.pi * b, 2 * np.pi * c
    return rotation_matrices(np.stack([low * np.sin(b), low * np.cos(b), high * np.sin(c), high * np.cos(c)], 1))


def _directions(u: Array) -> Array:
    """Uniform unit vectors (n, 3) of numbers (n, 2)."""
    z, angle = 2 * u[:, 0] - 1, 2 * np.pi * u[:, 1]
    across = np.sqrt(1 - z * z)
    return np.stack([across * np.cos(angle), across * np.sin(angle), z], 1)


def parts_of(kind: str, diameter_nm: float, seed: int) -> list[Part]:
    """The bodies of a shot; all but kind and size follow from its seed."""
    if kind == "empty":
        return []
    u = uniforms(np.array([seed], np.uint64), "placement", 24)[0, 1:]
    turns, directions, radius = _turns(seed), _directions(u[:10].reshape(5, 2)), 5 * diameter_nm
    ball, here = np.ones(3), np.zeros(3)

    def part(body: str, index: int, place: Array, size: float = radius, axes: Array = ball) -> Part:
        return Part(body, size, turns[index], place, axes)

    if kind == "single":
        return [part("virus", 0, here)]
    if kind == "double":
        apart = 2 * radius * 6.0 ** u[10]  # log-uniform, from touching to six diameters
        return [part("virus", 0, here), part("virus", 1, apart * directions[0])]
    if kind == "aggregate":
        n = 2 + int(u[10] ** 2 * (MOST - 1))  # half of them dimers
        places = [here]
        for index in range(1, n):
            places.append(_touching(places, directions[index - 1], int(u[10 + index] * len(places)), 1.9 * radius))
        return [part("virus", index, place) for index, place in enumerate(places)]
    if kind == "droplet":
        return [part("ellipsoid", 0, here)]
    if kind == "ellipsoid":
        aspect = 1.15 + 0.85 * u[10]
        axes = np.array([1.0, 1.0, aspect if u[11] < 0.5 else 1 / aspect])
        return [part("ellipsoid", 0, here, axes=axes / axes.prod() ** (1 / 3))]
    if kind == "with_droplet":
        size = radius * (0.3 + 0.6 * u[10])
        return [part("virus", 0, here), part("ellipsoid", 1, (0.95 * radius + size) * directions[0], size)]
    if kind == "broken":
        size = radius * (0.25 + 0.35 * u[10])
        return [part("shell", 0, here), part("core", 1, (0.75 * radius - size) * u[11] * directions[0], size)]
    raise ValueError(f"no kind is called {kind!r}")


def _touching(places: list[Array], direction: Array, beside: int, distance: float) -> Array:
    """A place that touches particle `beside` and overlaps none: pushed outwards until it is free."""
    at = places[beside] + distance * direction
    while min(np.linalg.norm(at - other) for other in places) < distance * (1 - 1e-9):
        at = at + 0.1 * distance * direction
    return at
