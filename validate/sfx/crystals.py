"""Frames of crystals: spots against the lattice's own sum, noise against a real detector's, spots in a hit."""

from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from report.plot.style import BLUE, ORANGE, QUIET
from simulate.orientation import random_orientations, rotation_matrices
from simulate.sfx import frame, plan
from simulate.sfx.config import CrystalConfig, CrystalDatasetConfig
from simulate.sfx.crystal import Crystal, crystal
from simulate.sfx.detector import detector
from simulate.sfx.spots import ELECTRON_RADIUS_A, Beam, Camera, polarised, spots
from validate.check import Finding, Measure
from validate.fixtures import Array

CELLS = 25
"""Unit cells along each axis of the block, as in nanoBragg's reference image."""

BEAM = Beam(wavelength=1.3, bandwidth=0.0, divergence=0.0, polarisation=1.0)
CAMERA = Camera(distance_mm=105.0, pixel_mm=0.088542, centre=(362.0, 362.0))
FLUENCE = 1e4
"""Photons/Å²."""

REACH, FINE = 10, 5
"""Pixels to the edge of the square that is summed round a spot; points along a pixel's edge."""

REAL_NOISE = {"variance / mean": 0.29, "one row apart": 0.37, "one column apart": 0.37, "diagonal": 0.13}
"""Of a hit on an MFX Rayonix at 2 x 2 binning, cells of 32 x 32 pixels without a peak."""

REAL_BACKGROUND = {"water_photons": 4200, "air_photons": 1300, "air_reach": 10, "spread": 0}
"""What the same frame's background looks like, over all of it: from 150 pixels of the beam to its corners the medians
of rings of 150 pixels agree within 15 %. What does not fall with the angle is as bright there as a third of the water's
ring; with the defaults of `sfx.datasets`, whose air fades, corners have a sixth of the real one's photons, and what the
read-out adds to them is most of their noise."""

MEDIAN, MOST = 22, 213
"""Peaks of the hits of an experiment: their median, and the most."""


class Agreement(NamedTuple):
    """Of spots with the sum (n,)."""

    distance: Array
    """of the middles [pixel]"""
    ratio: Array
    """of the photons"""


def check(*, orientations: int, n_spots: int, n_pixels: int, hits: int, seed: int) -> Finding:
    """The brightest spots of some orientations; a blank frame of `n_pixels` along its edge; the spots of hits."""
    rng = np.random.default_rng(seed)
    cells = crystal(CrystalConfig(resolution_A=2.0, seed=seed), 2.0)
    found = [
        compared(cells, rotation, n_spots) for rotation in rotation_matrices(random_orientations(rng, orientations))
    ]
    spot = Agreement(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    measured = dict(zip(REAL_NOISE, noise(*_blank(cells, n_pixels, seed)), strict=True))
    counts = _spots_of_hits(hits, seed)
    because = "a real hit on a Rayonix, and what it varies by over the frame"
    widths = {"variance / mean": 0.04}
    measures = [
        Measure("distance of a spot from the sum's [pixel], largest", float(spot.distance.max()), 0.5, "half a pixel"),
        Measure(
            "photons of a spot against the sum, largest difference",
            float(np.abs(spot.ratio - 1).max()),
            0.1,
            "a block's side lobes reach beyond the square that is summed",
        ),
        *(
            Measure(f"noise, {name}: difference from the real frame's", abs(value - REAL_NOISE[name]), limit, because)
            for name, value in measured.items()
            for limit in (widths.get(name, 0.05),)
        ),
        Measure(
            "median of a hit's spots: difference from the experiment's",
            float(abs(np.median(counts) - MEDIAN)),
            1.0 + 3 * 1.2533 * 0.9 * MEDIAN / np.sqrt(hits),
            "1, and three standard errors of a median",
        ),
        Measure("most spots of a hit", float(counts.max()), MOST, "of the experiment"),
    ]
    return Finding(
        key="crystals",
        title="Crystals",
        text=(
            "Spots are computed from integrals along one line each (simulate/sfx/spots.py). Here the brightest are "
            "held against what nanoBragg does: every point round a spot gets |F|² Π sin²(πN h)/sin²(π h), "
            "monochromatic and without mosaicity, where the two must agree. With nanoBragg's own image, where it is at "
            "hand, tests/simulate/sfx/test_spots.py does the same. Noise is that of a blank frame with the real "
            "frame's background and the gain of a Rayonix: its light spreads after the photons were counted, so "
            "neighbouring pixels vary together, and each by less than Poisson's law has it. The read-out's 3 ADU add "
            "9/mean to variance over mean, which counts where photons are few: the datasets of config/sfx.yaml have "
            "darker corners than this frame, and noise of other numbers there."
        ),
        oracle="interference of a block of cells, summed point by point; a real frame; an experiment's peaks a hit",
        settings=(
            f"{n_spots} brightest spots of each of {orientations} orientations, {CELLS} cells along each axis; "
            f"the middle {n_pixels} x {n_pixels} pixels of a blank frame; "
            f"{hits:,} hits (seed {seed})"
        ),
        measures=tuple(measures),
        draw=partial(_draw, spot=spot, measured=measured, counts=counts),
        inches=(9.6, 3.2),
    )


def compared(cells: Crystal, rotation: Array, n: int) -> Agreement:
    """The n brightest spots of an orientation, those left out of which only side lobes reach the sphere."""
    middle = CAMERA.centre[0]
    exposure = FLUENCE * CELLS**3 * cells.volume
    found = spots(cells, rotation, BEAM, CAMERA, np.full(3, float(CELLS)), 0.0, exposure)
    inside = (np.abs(found.x - middle) < middle - 12) & (np.abs(found.y - middle) < middle - 12)
    found = found.take(inside & (np.abs(found.error) < 3 * found.deviation))
    found = found.take(np.argsort(-found.photons)[:n])
    distance, ratio = np.empty(len(found)), np.empty(len(found))
    for i in range(len(found)):
        x, y, photons = summed(
            cells, rotation, found.reflection[i], found.sign[i], round(found.x[i]), round(found.y[i])
        )
        distance[i], ratio[i] = np.hypot(x - found.x[i], y - found.y[i]), found.photons[i] / photons
    return Agreement(distance, ratio)


def summed(
    cells: Crystal, rotation: Array, reflection: int, sign: int, column: int, row: int
) -> tuple[float, float, float]:
    """x, y and photons of one reflection in the square of pixels round a place, by the definition."""
    steps = (np.arange((2 * REACH + 1) * FINE) + 0.5) / FINE - 0.5 - REACH
    x, y = np.meshgrid(column + steps, row + steps)
    across = CAMERA.pixel_mm * (np.stack([x, y], -1) - CAMERA.centre)
    lab = np.concatenate([across, np.full_like(across[..., :1], CAMERA.distance_mm)], -1)
    length = np.linalg.norm(lab, axis=-1)
    direction = lab / length[..., None]
    q = (direction - [0, 0, 1]) / BEAM.wavelength
    # Fractional indices: q = R B h. Only the nearest point of the lattice counts, and near it is this reflection's.
    away = q @ np.linalg.inv(rotation @ cells.reciprocal).T - sign * cells.hkl[reflection]
    with np.errstate(invalid="ignore", divide="ignore"):
        one = np.where(
            np.abs(away) < 1e-9, float(CELLS) ** 2, (np.sin(np.pi * CELLS * away) / np.sin(np.pi * away)) ** 2
        )
    solid_angle = (CAMERA.pixel_mm / FINE) ** 2 * CAMERA.distance_mm / length**3
    photons = (
        FLUENCE
        * ELECTRON_RADIUS_A**2
        * polarised(direction, BEAM.polarisation)
        * solid_angle
        * cells.intensity[reflection]
        * one.prod(-1)
        * (np.abs(away) <= 0.5).all(-1)
    )
    total = photons.sum()
    return float((photons * x).sum() / total), float((photons * y).sum() / total), float(total)


def noise(image: NDArray, good: NDArray[np.bool_], cell: int = 32) -> Array:
    """Medians over cells without a peak: variance over mean, autocorrelation one pixel away along columns and rows, and
    diagonally; each cell's own paraboloid taken out.

    Parameters
    ----------
    image : (ny, nx) readings, their offset taken off.
    """
    y, x = np.indices((cell, cell)) - cell / 2
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    found = []
    for row in range(0, image.shape[0] - cell, cell):
        for column in range(0, image.shape[1] - cell, cell):
            part = np.s_[row : row + cell, column : column + cell]
            if not good[part].all():
                continue
            values = image[part].astype(float).ravel()
            left = (values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]).reshape(cell, cell)
            if np.abs(left).max() > 5.5 * left.std():
                continue
            variance = left.var()
            steps = (left[1:] * left[:-1], left[:, 1:] * left[:, :-1], left[1:, 1:] * left[:-1, :-1])
            found.append([variance / values.mean(), *(step.mean() / variance for step in steps)])
    return np.median(found, axis=0)


def _blank(cells: Crystal, n_pixels: int, seed: int) -> tuple[NDArray, NDArray[np.bool_]]:
    """A frame without a crystal, its offset taken off, and its good pixels."""
    given = CrystalDatasetConfig.model_validate(
        {
            "frames": {"hit": 0, "maybe": 0, "miss": 1},
            "detector": {"n_pixels": n_pixels, "hot_fraction": 0},
            "background": {"ice_fraction": 0, "streak_fraction": 0, **REAL_BACKGROUND},
        }
    )
    camera = detector(given)
    made = frame.make(given, cells, camera, seed, 0, blank=True)
    return made.adu - float(given.detector.pedestal_adu), camera.live


def _spots_of_hits(hits: int, seed: int) -> NDArray[np.int64]:
    given = CrystalDatasetConfig.model_validate({"frames": {"hit": hits, "maybe": 0, "miss": 0}})
    return plan.draw(given.frames, seed)["n_spots"].to_numpy(np.int64)


def _draw(figure: Figure, spot: Agreement, measured: dict[str, float], counts: NDArray[np.int64]) -> None:
    left, middle, right = figure.subplots(1, 3)
    left.plot(spot.distance, 100 * (spot.ratio - 1), ".", color=BLUE, markersize=4)
    left.axhline(0, color=QUIET, linewidth=0.8)
    left.set(xlabel="distance of the middles (pixel)", ylabel="difference of the photons (%)", xlim=(0, None))
    left.set_title("spots and their sum", loc="left")
    at = np.arange(len(measured))
    middle.plot(at, list(REAL_NOISE.values()), "_", color=ORANGE, markersize=22, markeredgewidth=2, label="real frame")
    middle.plot(at, list(measured.values()), "o", color=BLUE, markersize=5, label="simulated")
    names = ["variance\nover mean", "one row\napart", "one column\napart", "along a\ndiagonal"]
    middle.set(xticks=at, ylim=(0, 0.5), xlim=(-0.6, len(at) - 0.4))
    middle.set_xticklabels(names, fontsize=8)
    middle.set_title("noise, correlation of pixels", loc="left")
    middle.legend(fontsize=8)
    right.hist(counts, np.geomspace(10, 220, 24), color=BLUE)
    right.axvline(MEDIAN, color=ORANGE, label="the experiment's median")
    right.set(xscale="log", xlabel="visible spots of a hit", ylabel="hits", xticks=[10, 20, 50, 100, 200])
    right.set_xticklabels(["10", "20", "50", "100", "200"])
    right.minorticks_off()
    right.set_title("spots of a hit", loc="left")
    right.legend(fontsize=8)
    figure.tight_layout()
