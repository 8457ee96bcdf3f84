"""Two particles: where their fringes are brightest, and how much of them a pixel leaves."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from frames.geometry import Geometry
from report.plot.style import BLUE, INK, ORANGE, QUIET
from simulate.diffraction.volume import stack
from simulate.molecules.atoms import Atoms
from simulate.orientation import random_orientations
from simulate.plan.shots import Shots
from validate.check import Finding, Measure
from validate.fixtures import (
    ACCURACY,
    IDENTITY,
    Array,
    Molecule,
    Render,
    atom_volume,
    detector,
    exact_intensity,
    factor,
    relative,
    subpixels,
)

ELEMENT = "C"
DIRECTION = np.array([0.8, 0.36, 0.48])
"""Of the second particle from the first, along the row, across it and along the beam."""

SUBPIXELS, EVERY = 8, 4


def pixel_limit(geometry: Geometry, separation: Array, atoms: Atoms) -> float:
    """What averaging a pair's fringe alone over the pixel may leave out, as a relative error of the intensity.

    Within a pixel the renderer keeps the particles' own fields as at the centre. The next terms of their Taylor series:
    of each particle's own fringes, up to 2R wide, the second order, (Δq 2R)²/24; of the interference, the first, which
    the odd part of the fringe's average picks up: |sinc'(½Δq·d)| · ½Δq along each axis times the fields' relative
    slope. An atom at r turns F's phase by r per q, so that slope is at most √2 radii of gyration for two particles.

    Parameters
    ----------
    separation : (3,) of the particles [Å].
    """
    step = geometry.q_step
    own = (2 * step * atoms.radius) ** 2 / 24
    odd = [abs(_sinc_slope(step * abs(component) / 2)) * step / 2 for component in separation[:2]]
    return float(own + math.hypot(*odd) * np.sqrt(2) * atoms.radius_of_gyration)


def _sinc_slope(x: float) -> float:
    """d/dx sin(x)/x."""
    return 0.0 if x == 0 else (np.cos(x) - np.sin(x) / x) / x


def check(
    molecule: Molecule, render: Render, *, positions_at: Sequence[float], separations: Sequence[float], seed: int
) -> Finding:
    """Maxima of point particles on a fine detector, and contrast of points and molecules on the default one.

    Parameters
    ----------
    positions_at : separations [Å] at which maxima are looked for.
    separations :  at which the contrast is measured, ascending [Å].
    """
    fine, default = detector(n_pixels=1024), detector()
    rows, measures = {}, []
    for distance in positions_at:
        row = _row(fine, render, distance)
        rows[distance] = row
        measures.append(
            Measure(
                f"{distance / 10:g} nm: |measured − predicted| place of the {len(row[2])} maxima, largest [pixels]",
                float(np.abs(row[2] - row[3]).max()),
                row[4],
                "a parabola through three points of a cosine, and float32 phases",
            )
        )
    contrast = np.array([_contrast(default, render, distance) for distance in separations])
    formula = np.sinc(default.q_step * np.array(separations) / (2 * np.pi))
    measures.append(
        Measure(
            "contrast of point particles against sinc(½Δq·d), largest difference",
            float(np.abs(contrast - formula).max()),
            1e-3,
            "over the 16 x 16 pixels measured Δq changes by 1.5 (8√2 · 600 µm / 323 mm)² = 7 × 10⁻⁴; |x sinc'| ≤ 1.06",
        )
    )
    orientations = random_orientations(np.random.default_rng(seed), 2)
    errors = np.array([_errors(molecule, default, render, distance, orientations) for distance in separations])
    allowed = np.array([pixel_limit(default, np.array([d, 0, 0]), molecule.atoms) for d in separations]) + ACCURACY
    measures.append(
        Measure(
            f"{molecule.name}: error of the pixel's average over its limit, largest of all separations",
            float(np.max(errors[:, 0] / allowed)),
            1.0,
            "limit: the next terms of the Taylor series within the pixel (dotted), and volume.accuracy",
        )
    )
    return Finding(
        key="fringes",
        title="Fringes of two particles",
        text=(
            "Left: two carbon atoms, each a particle, on a detector of 1024 x 1024 pixels of 75 µm; the intensity over "
            "that of one, along the middle row, and where q·d = 2πn puts the maxima (lines). Middle: on the default "
            "pixels the fringe's contrast falls as the average of a cosine over a box, to nothing where a fringe is as "
            "wide as a pixel, and is reversed beyond. Right: two molecules, the pixel's average by 8 x 8 exact sums as "
            "the truth. Sampling pixel centres is wrong by tens of per cent where fringes are fine; averaging the "
            "fringe alone leaves a few per cent at worst, by the change of the particles' own patterns within a pixel."
        ),
        oracle="q·d = 2πn; sinc; finufft's type 3 at 8 x 8 points in a pixel",
        settings=(
            f"separations of {', '.join(f'{d / 10:g}' for d in positions_at)} nm along {tuple(DIRECTION.tolist())} "
            f"(left) and {len(separations)} from {separations[0] / 10:g} to {separations[-1] / 10:g} nm along x; "
            f"{molecule.label}, two orientations (seed {seed}), every {EVERY}th pixel along each axis"
        ),
        measures=tuple(measures),
        draw=partial(_draw, rows=rows, separations=separations, contrast=contrast, errors=errors, allowed=allowed),
        inches=(11.0, 3.6),
    )


def _pair(geometry: Geometry, render: Render, separation: Array) -> Array:
    """Intensity of two atoms over that of one, whose form factor and pixels' corrections are divided out."""
    orientations = np.array([[IDENTITY, IDENTITY]])
    positions = np.array([[separation / 2, -separation / 2]])
    shots = Shots.alike(orientations, positions, np.ones(1), geometry.photon_energy_eV)
    image = render(stack([atom_volume(ELEMENT, geometry.q_max)]), geometry, shots)[0]
    return image / (geometry.photons_per_electron2() * factor(ELEMENT, geometry.q) ** 2)


def _row(geometry: Geometry, render: Render, distance: float) -> tuple[Array, Array, Array, Array, float]:
    """Phase q·d and intensity along the middle row; places of the maxima, measured and predicted; their tolerance."""
    middle = geometry.shape[0] // 2
    separation = distance * DIRECTION
    phase = geometry.q[middle] @ separation
    intensity = _pair(geometry, render, separation)[middle].astype(np.float64)
    pixels = np.arange(len(phase))
    orders = np.arange(np.ceil(phase.min() / (2 * np.pi)), np.floor(phase.max() / (2 * np.pi)) + 1)
    predicted = np.interp(2 * np.pi * orders, phase, pixels)
    nearest = np.rint(predicted).astype(int)
    inside = (nearest >= 2) & (nearest < len(phase) - 2)
    predicted, nearest = predicted[inside], nearest[inside]
    # The brightest of a few pixels about the nearest, so that a misplaced fringe is found where it is.
    peak = nearest + np.argmax(intensity[nearest[:, None] + np.arange(-2, 3)], axis=1) - 2
    peak = np.clip(peak, 1, len(phase) - 2)
    below, top, above = intensity[peak - 1], intensity[peak], intensity[peak + 1]
    measured = peak + (above - below) / (2 * (2 * top - above - below))
    step = float(np.diff(phase).max())
    # tan(δt)/2tan(δ/2) − t, the parabola's error at t from the sample, for |t| <= 1/2; interpolating q·d adds δ-free
    # terms of 10⁻⁴ pixels, and phases of up to `reach` are rounded by 2⁻²⁴ of it each.
    t = np.linspace(0, 0.5, 101)
    parabola = float(np.abs(np.tan(step * t) / (2 * np.tan(step / 2)) - t).max())
    reach = 2 * np.pi / 2.695 * distance
    return phase, intensity, measured, predicted, parabola + 2e-4 + 4 * reach * 2**-24 / step**2


def _contrast(geometry: Geometry, render: Render, distance: float) -> float:
    """How strong the fringe is in the middle of the image, (I − mean)/mean at its maximum."""
    n = geometry.shape[0]
    middle = np.s_[n // 2 - 8 : n // 2 + 8, n // 2 - 8 : n // 2 + 8]
    separation = np.array([distance, 0.0, 0.0])
    wave = np.cos(geometry.q[middle] @ separation)
    return float(np.sum((_pair(geometry, render, separation)[middle] / 2 - 1) * wave) / np.sum(wave**2))


def _errors(
    molecule: Molecule, geometry: Geometry, render: Render, distance: float, orientations: Array
) -> tuple[float, float]:
    """Errors of ours, and of exact sums at pixel centres, against exact sums averaged over the pixel."""
    positions = np.array([[0.5, 0, 0], [-0.5, 0, 0]]) * distance
    shots = Shots.alike(orientations[None], positions[None], np.ones(1), geometry.photon_energy_eV)
    chosen = np.s_[::EVERY, ::EVERY]
    scale = geometry.photons_per_electron2()[chosen]
    image = render(stack([molecule.volume(geometry.q_max)]), geometry, shots)[0][chosen]
    inside = exact_intensity(subpixels(geometry, SUBPIXELS, EVERY), molecule.core, orientations, positions)
    centre = exact_intensity(geometry.q[chosen], molecule.core, orientations, positions)
    truth = scale * inside.mean(axis=0)
    return relative(image, truth), relative(scale * centre, truth)


def _draw(
    figure: Figure, rows: dict, separations: Sequence[float], contrast: Array, errors: Array, allowed: Array
) -> None:
    grid = figure.add_gridspec(len(rows), 3, hspace=0.25, wspace=0.28, left=0.06, right=0.99, bottom=0.15, top=0.92)
    for number, (distance, (phase, intensity, _, predicted, _)) in enumerate(rows.items()):
        axes = figure.add_subplot(grid[number, 0])
        first = len(phase) // 2
        shown = np.s_[first : first + 128]
        axes.vlines(predicted, 0, 4.2, color=ORANGE, linewidth=0.8)
        axes.plot(np.arange(len(phase))[shown], intensity[shown], ".", color=BLUE, markersize=2.5)
        axes.set_xlim(first, first + 128)
        axes.set_ylim(0, 4.4)
        axes.set_yticks([0, 4])
        axes.text(1.0, 1.0, f"{distance / 10:g} nm", transform=axes.transAxes, ha="right", va="bottom", size=8)
        if number < len(rows) - 1:
            axes.set_xticklabels([])
        else:
            axes.set_xlabel("pixel of the middle row")
    figure.text(0.012, 0.53, "intensity / that of one", rotation=90, ha="center", va="center")
    nm = np.array(separations) / 10
    axes = figure.add_subplot(grid[:, 1])
    fine = np.linspace(0, nm[-1], 400)
    step = detector().q_step
    axes.plot(fine, np.sinc(step * fine * 10 / (2 * np.pi)), color=ORANGE, label="sinc(½Δq·d)")
    axes.plot(nm, contrast, "o", color=BLUE, markersize=4, label="measured")
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.set_xlabel("separation (nm)")
    axes.set_ylabel("contrast of the fringe")
    axes.legend(fontsize=8)
    axes = figure.add_subplot(grid[:, 2])
    axes.semilogy(nm, errors[:, 1], color=ORANGE, marker="s", markersize=4, label="pixel centres")
    axes.semilogy(nm, errors[:, 0], color=BLUE, marker="o", markersize=4, label="ours")
    axes.semilogy(nm, allowed, color=INK, linestyle=":", linewidth=0.8, label="limit of ours")
    axes.set_xlabel("separation (nm)")
    axes.set_ylabel("relative error of the intensity")
    axes.legend(fontsize=8)
