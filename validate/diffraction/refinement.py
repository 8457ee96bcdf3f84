"""How few points of the detector a particle's field must be sliced at, before pixels are interpolated between them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from frames.geometry import Geometry
from report.plot.style import BLUE, GREEN, ORANGE
from simulate.diffraction.patterns import ATOM_RADIUS, BANDWIDTH_MARGIN, REFINEMENT_SHARE
from simulate.diffraction.refinement import TAPS, refinements
from simulate.diffraction.volume import exact_field
from simulate.orientation import random_orientations, rotation_matrices
from validate.check import Finding, Measure
from validate.fixtures import ACCURACY, Array, Molecule, points_on_detector, relative

COLORS = BLUE, ORANGE, GREEN


def matrix(geometry: Geometry, bandwidth: float, tolerance: float) -> Array:
    """(n_pixels, n_coarse) of the interpolation that the renderer would use along one axis."""
    made = refinements(geometry.shape[1], (bandwidth,), (tolerance,))
    full = np.zeros((geometry.shape[1], int(made.n_coarse[0])))
    for pixel, first in enumerate(made.first[0]):
        full[pixel, first : first + TAPS] = made.weights[0, pixel]
    return full


def check(
    molecules: Sequence[Molecule], geometry: Geometry, *, tolerances: Sequence[float], n: int, seed: int
) -> Finding:
    """Errors of interpolated fields against exact ones, no grid of F(q) being in between.

    Parameters
    ----------
    tolerances : of the amplitude along one axis, descending.
    n :          orientations.
    """
    rotations = rotation_matrices(random_orientations(np.random.default_rng(seed), n))
    curves, measures = {}, []
    for molecule in molecules:
        bandwidth = BANDWIDTH_MARGIN * geometry.q_step * (molecule.atoms.radius + ATOM_RADIUS)
        truth = exact_field(geometry.q @ rotations[:, None], *molecule.core)
        rows = []
        for tolerance in tolerances:
            full = matrix(geometry, bandwidth, tolerance)
            amplitudes = _refined(geometry, molecule, rotations, full)
            intensity = relative(np.abs(amplitudes) ** 2, np.abs(truth) ** 2)
            rows.append((full.shape[1], relative(amplitudes, truth), intensity, tolerance))
        coarse, amplitude, intensities, _ = map(np.array, zip(*rows, strict=True))
        curves[molecule.label] = coarse, intensities, 2 * np.array(tolerances)
        default = _refined(geometry, molecule, rotations, matrix(geometry, bandwidth, REFINEMENT_SHARE * ACCURACY))
        measures += [
            Measure(
                f"{molecule.name}: amplitude's error over √2 times the tolerance, largest of all",
                float(np.max(amplitude / (np.sqrt(2) * np.array(tolerances) + _ROUNDING))),
                1.0,
                "the tolerance holds along an axis for power spread evenly over the band; two axes add in square",
            ),
            Measure(
                f"{molecule.name}: at the renderer's own tolerance, error of the intensity",
                relative(np.abs(default) ** 2, np.abs(truth) ** 2),
                2 * REFINEMENT_SHARE * ACCURACY,
                "half of volume.accuracy: 2 × (0.25 of it) for the intensity along both axes",
            ),
            Measure(
                f"{molecule.name}: errors that grow where coarse points are added",
                float(np.sum(np.diff(intensities) > 0)),
                0,
                "fewer points cannot be better",
            ),
        ]
    return Finding(
        key="refinement",
        title="Reading between points of the detector",
        text=(
            "The field of one particle varies slowly across the detector, so it is sliced at fewer points than there "
            "are pixels and interpolated with eight taps along each axis. Here the coarse points hold exact sums over "
            "the atoms: what is seen is the error of this step alone. Filled: measured; open: what the tolerance "
            "promises; dotted: the tolerance that the renderer works with. Large particles need more points."
        ),
        oracle="sums over the atoms at every pixel by finufft's type 3 transform",
        settings=f"{n} orientations (seed {seed}), {geometry.shape[0]} x {geometry.shape[1]} pixels",
        measures=tuple(measures),
        draw=partial(_draw, curves=curves, n_pixels=geometry.shape[1]),
        inches=(6.4, 3.7),
    )


_ROUNDING = 5 * 2.0**-24
"""Of weights kept as float32: eight of them, below 5 in sum."""


def _refined(geometry: Geometry, molecule: Molecule, rotations: Array, full: Array) -> NDArray[np.complex128]:
    places = np.linspace(0, geometry.shape[1] - 1, full.shape[1])
    coarse = exact_field(points_on_detector(geometry, places, places) @ rotations[:, None], *molecule.core)
    return full @ coarse @ full.T


def _draw(figure: Figure, curves: dict, n_pixels: int) -> None:
    axes = figure.add_subplot()
    for color, (label, (coarse, errors, promised)) in zip(COLORS, curves.items(), strict=False):
        axes.semilogy(coarse, promised, color=color, linestyle="--", linewidth=1, marker="o", fillstyle="none", ms=4)
        axes.semilogy(coarse, errors, color=color, marker="o", markersize=4, label=label)
    axes.axhline(2 * REFINEMENT_SHARE * ACCURACY, color="k", linewidth=0.8, linestyle=":")
    axes.text(
        axes.get_xlim()[1],
        2.2 * REFINEMENT_SHARE * ACCURACY,
        "the renderer's tolerance",
        ha="right",
        va="bottom",
        size=8,
    )
    axes.set_xlabel(f"coarse points along an axis of {n_pixels} pixels")
    axes.set_ylabel("relative error of the intensity")
    axes.legend(fontsize=8)
    figure.tight_layout()
