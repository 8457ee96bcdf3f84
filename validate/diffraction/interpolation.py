"""How fine the grid of F(q) has to be, for three ways to read between its nodes."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from frames.geometry import Geometry
from report.plot.style import BLUE, GREEN, INK, ORANGE, QUIET
from simulate.diffraction.patterns import field_at
from simulate.diffraction.volume import (
    SPLINE_MARGIN,
    Volume,
    electrons,
    interpolation_error,
    scattering_volume,
    stack,
)
from simulate.orientation import random_orientations, rotation_matrices
from validate.check import Finding, Measure
from validate.fixtures import ACCURACY, Array, Core, Molecule, Render, exact_single_hits, relative, single_hits

METHODS = {
    "trilinear, as skopi": (QUIET, "s", 2),
    "quadratic B-spline alone": (ORANGE, "^", 2),
    "quadratic B-spline, compensated (ours)": (BLUE, "o", 3),
}
"""Colour, marker, and the power of the grid's spacing that the error falls with."""

FITTED = 5
"""Finest grids to which the power is fitted."""


def plain_volume(core: Core, spacing: float, half: int) -> Volume:
    """F itself at the nodes: the atoms' weights are multiplied by what `scattering_volume` divides them by."""
    positions, occupancies, species, table = core
    damping = np.prod(np.sinc(positions * (spacing / (2 * np.pi))), axis=1) ** 3
    return scattering_volume(positions, occupancies * damping, species, table, spacing=spacing, half=half)


def slices(volume: Volume, points: Array, order: int) -> NDArray[np.complex128]:
    """F at points (..., 3) by B-splines of this order over the nodes as they are, by scipy: the slow twin."""
    negative = points[..., 0] < 0
    place = np.moveaxis(np.where(negative[..., None], -points, points) / volume.spacing, -1, 0)
    middle = np.array([SPLINE_MARGIN, volume.n // 2, volume.n // 2]).reshape(3, *[1] * (points.ndim - 1))
    read = partial(map_coordinates, coordinates=place + middle, order=order, prefilter=False, output=np.float64)
    field = read(volume.field.real) + 1j * read(volume.field.imag)
    return np.where(negative, field.conj(), field)


def check(
    molecules: Sequence[Molecule],
    geometry: Geometry,
    render: Render,
    *,
    oversamplings: Sequence[float],
    n: int,
    seed: int,
) -> Finding:
    """Errors of single hits against sums over the atoms.

    Parameters
    ----------
    oversamplings : voxels per finest fringe of the particle, π/(R h), ascending.
    n :             orientations.
    """
    orientations = random_orientations(np.random.default_rng(seed), n)
    points = geometry.q @ rotation_matrices(orientations)[:, None]
    scale = geometry.photons_per_electron2()
    shots = single_hits(orientations, geometry)
    curves, chosen, measures = {}, {}, []
    for molecule in molecules:
        core, truth = molecule.core, exact_single_hits(geometry, molecule.core, orientations)
        errors: dict[str, list[float]] = {name: [] for name in METHODS}
        estimates, twin = [], 0.0
        for oversampling in oversamplings:
            spacing = np.pi / (molecule.atoms.radius * oversampling)
            half = int(np.ceil(geometry.q_max / spacing)) + 1
            plain = plain_volume(core, spacing, half)
            # The accuracy asked for decides how finely the detector is sampled: here the grid alone shall err.
            ours = scattering_volume(*core, spacing=spacing, half=half, accuracy=1e-5)
            images = (
                scale * np.abs(slices(plain, points, 1)) ** 2,
                scale * np.abs(slices(plain, points, 2)) ** 2,
                render(stack([ours]), geometry, shots),
            )
            for name, image in zip(METHODS, images, strict=True):
                errors[name].append(relative(image, truth))
            twin = max(twin, relative(field_at(ours, points[0]), slices(ours, points[0], 2)))
            estimates.append(interpolation_error(core[0], electrons(*core[1:]), spacing))
        default = molecule.volume(geometry.q_max)
        default_error = relative(render(stack([default]), geometry, shots), truth)
        curves[molecule.label] = errors, estimates
        chosen[molecule.label] = default.oversampling, default_error
        measures += [
            Measure(
                f"{molecule.name}: ours on the pipeline's grid of {default.n}³ "
                f"({default.oversampling:.2f} voxels per fringe)",
                default_error,
                ACCURACY,
                "volume.accuracy, the error that the config allows",
            ),
            Measure(
                f"{molecule.name}: ours over its estimate, largest of all grids",
                float(np.max(np.array(errors["quadratic B-spline, compensated (ours)"]) / estimates)),
                1.0,
                "the estimate by which the pipeline chooses its grid is meant to err on the large side",
            ),
            Measure(
                f"{molecule.name}: compiled slices against scipy's B-splines",
                twin,
                1e-5,
                "float32: places of up to 100 voxels are rounded by 6 × 10⁻⁶ of a voxel",
            ),
        ]
        for name, (_, _, power) in METHODS.items():
            fell = -float(np.polyfit(np.log(oversamplings[-FITTED:]), np.log(errors[name][-FITTED:]), 1)[0])
            measures.append(
                Measure(
                    f"{molecule.name}: {name}, |power of the spacing − {power}|",
                    abs(fell - power),
                    0.4,
                    f"kernel theory: power {power}; the next order, (1 − u)⁻³ with u = h R / 2π, adds at most 0.4",
                )
            )
    return Finding(
        key="interpolation",
        title="Reading between the nodes of the grid",
        text=(
            "A pattern is read off F(q) on a grid. How fine must the grid be? Single hits are rendered from grids of "
            "rising fineness and held against sums over the atoms at the same pixels. Trilinear interpolation and a "
            "quadratic B-spline both damp the particle's rim, an error of second order in the spacing. Dividing that "
            "damping out of the atoms beforehand leaves the kernel's aliases alone, of third order and far smaller. "
            "Lines: measured. Dashed: the estimate by which the pipeline chooses its grid. Ring: the pipeline's choice."
        ),
        oracle="sums over the atoms at the pixels by finufft's type 3 transform; scipy.ndimage for the other kernels",
        settings=f"{n} orientations (seed {seed}), {geometry.shape[0]} x {geometry.shape[1]} pixels",
        measures=tuple(measures),
        draw=partial(_draw, oversamplings=oversamplings, curves=curves, chosen=chosen),
        inches=(4.2 * len(molecules) + 0.2, 3.9),
    )


def _draw(figure: Figure, oversamplings: Sequence[float], curves: dict, chosen: dict) -> None:
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    for axes, (label, (errors, estimates)) in zip(panels, curves.items(), strict=True):
        for name, (color, marker, _) in METHODS.items():
            axes.loglog(oversamplings, errors[name], color=color, marker=marker, markersize=4, label=name)
        axes.loglog(oversamplings, estimates, color=BLUE, linestyle="--", linewidth=1, label="estimate for ours")
        axes.plot(*chosen[label], marker="o", markersize=11, color=GREEN, fillstyle="none", linestyle="none")
        axes.axhline(ACCURACY, color=INK, linewidth=0.8, linestyle=":")
        axes.text(oversamplings[-1], ACCURACY * 1.08, "allowed", ha="right", va="bottom", size=8)
        axes.set_title(label)
        axes.set_xlabel("voxels per finest fringe, π / (R h)")
        axes.set_xticks(oversamplings, [f"{value:g}" for value in oversamplings])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.minorticks_off()
    panels[0].set_ylabel("relative error of the intensity")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=2 if len(curves) == 1 else 4, fontsize=8)
    figure.tight_layout(rect=(0, 0, 1, 0.87 if len(curves) == 1 else 0.93))
