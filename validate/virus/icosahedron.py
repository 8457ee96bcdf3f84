"""The closed form of an icosahedron against sums, and one volume that serves viruses of every size."""

from functools import lru_cache, partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from report.plot.style import BLUE, INK, ORANGE, QUIET
from simulate.diffraction.patterns import field_at
from simulate.diffraction.volume import Volume
from simulate.virus.bodies import shells, unit_volume
from simulate.virus.config import VirusConfig
from simulate.virus.icosahedron import EQUAL_VOLUME_SPHERE, UNIT_VOLUME, faces, icosahedron, vertices
from validate.check import Finding, Measure

Array = NDArray[np.float64]

VOXEL_REACH = 12.0
"""q R up to which voxels are summed: three fringes."""

FRINGE = np.pi / EQUAL_VOLUME_SPHERE
"""Period of the mean intensity in q R, that of the ball of the same volume."""

FIRST, FRINGES, IN_EACH = 10.0, 8, 10
"""Where the fall is measured: from this q R, so many whole fringes, each at so many lengths."""

SIZES_NM = (55.0, 70.0, 84.0)
"""Circumdiameters, the limits of the size filter and a virus of usual size."""

REACH = 12.0
"""q R that the volume reaches for the largest of these."""


def check(*, n_voxels: int, n_points: int, n_directions: int, seed: int) -> Finding:
    """Three panels.

    Parameters
    ----------
    n_voxels :     along an edge of the cube about the icosahedron.
    n_points :     random q at which sums and slices are compared.
    n_directions : over which the intensity is averaged, drawn anew for each length of q.
    """
    rng = np.random.default_rng(seed)
    points, each = _voxels(n_voxels)
    line = np.linspace(0, VOXEL_REACH, 80)[:, None] * _directions(1, rng)
    along = each * np.cos(line @ points.T).sum(1)
    q = _ball(n_points, VOXEL_REACH, rng)
    summed = each * np.cos(q @ points.T).sum(1)
    forward = icosahedron(np.array([[2e-4, 0, 0]]))[0] / UNIT_VOLUME - 1
    x = FIRST + (np.arange(FRINGES * IN_EACH) + 0.5) * FRINGE / IN_EACH
    mean = np.array([(icosahedron(length * _directions(n_directions, rng)) ** 2).mean() for length in x])
    level = (mean * x**4).reshape(FRINGES, IN_EACH).mean(1) / (2 * np.pi * _surface())
    slope = -4 + float(np.polyfit(np.log(x.reshape(FRINGES, IN_EACH).mean(1)), np.log(level), 1)[0])
    last = FIRST + FRINGES * FRINGE
    scaled = [_scaling(size, n_points, rng) for size in SIZES_NM]
    measures = (
        Measure(
            "icosahedron against a sum over voxels, relative L2 of F",
            float(np.linalg.norm(icosahedron(q) - summed) / np.linalg.norm(summed)),
            0.01,
            f"voxels of 1/{n_voxels // 2} of the radius at its surface",
        ),
        Measure("F near q = 0 over the volume, |ratio − 1|", abs(forward), 1e-6, "1 − (q R)²/10 and double precision"),
        Measure(
            f"slope of the mean intensity over q R = {FIRST:g} to {last:.0f}, a mean a fringe, distance from −4",
            abs(slope + 4),
            0.15,
            "Porod’s law for a surface of flat faces; edges add a term of 1 / (q R), 0.1 to 0.025 of it here",
        ),
        Measure(
            "mean intensity there over 2π S / q⁴, |ratio − 1|",
            abs(float(level.mean()) - 1),
            0.1,
            "Porod’s constant of the surface S, and the same term",
        ),
        *(
            Measure(
                f"{size:g} nm sliced from the one volume, against the closed form of that size, relative L2 of F",
                error,
                1e-3,
                "the accuracy that volumes are made for; one made for a size has at best its closed form",
            )
            for size, error in zip(SIZES_NM, scaled, strict=True)
        ),
    )
    return Finding(
        key="virus",
        title="One virus of every size",
        text="F of a body of flat faces is a sum over them. On the left it is held along one direction against a sum "
        "over small cubes; in the middle its square, averaged over directions, against Porod's law, which only the "
        "surface decides. F(q; R) = R³ f(q R), so a slice through one volume is a virus of any size: on the right "
        "its error in shells of q, as part of the root mean square of F there.",
        oracle="sums over voxels, the volume, Porod's law, and the closed form of each size",
        settings=f"{n_voxels}³ voxels, {n_points} points, {n_directions} directions a length; seed {seed}",
        measures=measures,
        draw=partial(
            _draw,
            line=(np.linalg.norm(line, axis=1), along, icosahedron(line)),
            fall=(x, mean),
            errors=[_by_shell(size, n_points, rng) for size in SIZES_NM],
        ),
        inches=(11, 3.6),
    )


def _directions(n: int, rng: np.random.Generator) -> Array:
    u = rng.normal(size=(n, 3))
    return np.asarray(u / np.linalg.norm(u, axis=1, keepdims=True))


def _ball(n: int, reach: float, rng: np.random.Generator) -> Array:
    """n points, even in a ball."""
    return _directions(n, rng) * reach * rng.uniform(size=(n, 1)) ** (1 / 3)


def _voxels(n: int) -> tuple[Array, float]:
    """Middles of those of n³ voxels that lie inside of the unit icosahedron, and the volume of each."""
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    normals = vertices()[faces()].mean(1)
    depth = np.linalg.norm(normals[0])
    return points[(points @ normals.T).max(1) < depth**2], (2 / n) ** 3


def _surface() -> float:
    """Of the icosahedron of circumradius 1."""
    a, b, c = (vertices()[faces()][:, corner] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@lru_cache(maxsize=1)
def _volume() -> Volume:
    """The one that serves every size."""
    return unit_volume(shells(VirusConfig()), REACH)


def _virus(size_nm: float, q: Array) -> tuple[Array, Array]:
    """F at q [1/Å]: sliced from the one volume, and in closed form for this size."""
    layers, radius = shells(VirusConfig()), 5 * size_nm
    sliced = radius**3 * field_at(_volume(), q * radius).real
    exact = np.sum([density * icosahedron(q, part * radius) for part, density in layers], axis=0)
    return np.asarray(sliced, np.float64), np.asarray(exact)


def _scaling(size_nm: float, n: int, rng: np.random.Generator) -> float:
    """Relative L2 error of the slice."""
    sliced, exact = _virus(size_nm, _ball(n, REACH / (5 * max(SIZES_NM)), rng))
    return float(np.linalg.norm(sliced - exact) / np.linalg.norm(exact))


def _by_shell(size_nm: float, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """q R of shells, and the slice's root mean square error over that of F, at q of any direction."""
    lengths = np.linspace(1, REACH, 12)
    q = (lengths[:, None, None] * _directions(12 * max(n // 4, 20), rng).reshape(12, -1, 3)) / (5 * max(SIZES_NM))
    sliced, exact = (some.reshape(12, -1) for some in _virus(size_nm, q.reshape(-1, 3)))
    return lengths * size_nm / max(SIZES_NM), np.sqrt(((sliced - exact) ** 2).mean(1) / (exact**2).mean(1))


def _draw(
    figure: Figure, *, line: tuple[Array, Array, Array], fall: tuple[Array, Array], errors: list[tuple[Array, Array]]
) -> None:
    """Voxels and closed form along a line; Porod's law; errors of slices."""
    left, middle, right = figure.subplots(1, 3)
    q, summed, closed = line
    left.plot(q, closed / UNIT_VOLUME, color=BLUE, label="closed form")
    left.plot(q[::4], summed[::4] / UNIT_VOLUME, "o", ms=3, color=ORANGE, label="voxels")
    left.set(xlabel="q R", ylabel="F / V, along one direction")
    left.legend(frameon=False, fontsize=8)
    x, mean = fall
    middle.loglog(x, mean / UNIT_VOLUME**2, color=BLUE, label="mean of |F|²")
    middle.loglog(x, (2 * np.pi * _surface() / UNIT_VOLUME**2) / x**4, "--", color=INK, label="2π S / q⁴")
    middle.set(xlabel="q R", ylabel="mean |F|² / V²")
    middle.legend(frameon=False, fontsize=8)
    for (lengths, error), size, color in zip(errors, SIZES_NM, (BLUE, ORANGE, INK), strict=True):
        right.semilogy(lengths, error, "o-", ms=3, color=color, label=f"{size:g} nm")
    right.axhline(1e-3, color=QUIET, lw=0.8)
    right.set(xlabel="q R", ylabel="error of a slice / F, root mean square", ylim=(1e-6, 3e-3))
    right.legend(frameon=False, fontsize=8)
    figure.tight_layout()
