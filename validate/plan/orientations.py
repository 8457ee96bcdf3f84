"""Orientations of a plan: uniform over all rotations, and independent of each other."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from report.plot.style import BLUE, ORANGE
from simulate.orientation import rotation_matrices
from validate.check import Finding, Measure
from validate.fixtures import Array

FALSE_ALARM = 1e-4
"""Chance that right orientations would fail, over all tests."""


def check(pairs: Array, settings: str) -> Finding:
    """Orientations (n, 2, 4) of the particles of n double hits, as a plan has them.

    Parameters
    ----------
    settings : where they come from, for the page.
    """
    matrices = rotation_matrices(pairs)
    relative = np.einsum("nji,njk->nik", matrices[:, 0], matrices[:, 1])
    angles = {
        "rotation angle, first particle": _angle(matrices[:, 0]),
        "rotation angle, second particle": _angle(matrices[:, 1]),
        "angle between the two": _angle(relative),
        "angle to the next pattern": _angle(np.einsum("nji,njk->nik", matrices[:-1, 0], matrices[1:, 0])),
    }
    axes = {
        f"{name} axis of the sample along lab {lab}": matrices[:, 0, row, column]
        for column, name in enumerate("xyz")
        for row, lab in enumerate("xyz")
    }
    p_angles = {name: float(stats.kstest(values, angle_cdf).pvalue) for name, values in angles.items()}
    uniform = stats.uniform(-1, 2).cdf
    p_axes = {name: float(stats.kstest(values, uniform).pvalue) for name, values in axes.items()}
    tests = len(p_angles) + len(p_axes)
    norm = float(np.abs(np.linalg.norm(pairs, axis=-1) - 1).max())
    because = f"chance {FALSE_ALARM:g} over all {tests} tests"
    worst = min(p_axes, key=lambda name: p_axes[name])
    measures = (
        *(
            Measure(f"{name}: p value of Kolmogorov & Smirnov", p, FALSE_ALARM / tests, because, at_least=True)
            for name, p in p_angles.items()
        ),
        Measure(
            f"direction cosines: smallest p of {len(p_axes)} ({worst})",
            p_axes[worst],
            FALSE_ALARM / tests,
            because,
            at_least=True,
        ),
        Measure("length of the quaternions, largest |length − 1|", norm, 4 * 2.0**-52, "float64"),
    )
    return Finding(
        key="orientations",
        title="Orientations are uniform",
        text=(
            "Under uniform rotations the angle of rotation has the distribution (θ − sin θ)/π, and every axis of the "
            "sample points evenly over the sphere, so that its cosine to any axis of the lab is uniform on [−1, 1]. "
            "The rotation from one particle of a shot to the other, and from one pattern to the next, must be as "
            "uniform: they are independent. Lines: formulas. Right: how far the "
            "cosines' distribution functions deviate from the uniform one; one in a hundred leaves the band."
        ),
        oracle="the distributions of Haar's measure, by Kolmogorov & Smirnov",
        settings=settings,
        measures=measures,
        draw=partial(_draw, angles=angles, axes=axes),
        inches=(8.6, 3.2),
    )


def angle_cdf(theta: Array) -> Array:
    """Share of uniform rotations by less than θ [rad], 0 to π."""
    return (theta - np.sin(theta)) / np.pi


def _angle(matrices: Array) -> Array:
    """Angle of rotation, 0 to π."""
    return np.arccos(np.clip((np.trace(matrices, axis1=-2, axis2=-1) - 1) / 2, -1, 1))


def _draw(figure: Figure, angles: dict, axes: dict) -> None:
    panels = figure.subplots(1, 3)
    theta = np.linspace(0, np.pi, 200)
    for panel, name in zip(panels, ("rotation angle, first particle", "angle between the two"), strict=False):
        panel.hist(np.degrees(angles[name]), 36, density=True, color=BLUE, alpha=0.35)
        panel.plot(np.degrees(theta), (1 - np.cos(theta)) / 180, color=ORANGE)
        panel.set_title(name)
        panel.set_xlabel("degrees")
    panels[0].set_ylabel("density (per degree)")
    for values in axes.values():
        ordered = np.sort(values)
        off = np.arange(1, len(values) + 1) / len(values) - (1 + ordered) / 2
        panels[2].plot(ordered, off, color=BLUE, linewidth=0.8, alpha=0.6, rasterized=True)
    band = stats.kstwo.isf(0.01, len(ordered))
    panels[2].axhline(0, color=ORANGE, linewidth=1)
    panels[2].axhspan(-band, band, color=ORANGE, alpha=0.1, linewidth=0)
    panels[2].set_title(f"direction cosines, all {len(axes)}")
    panels[2].set_xlabel("cosine")
    panels[2].set_ylabel("share below, measured − formula")
    figure.tight_layout()
