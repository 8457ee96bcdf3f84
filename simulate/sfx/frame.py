"""One frame with exactly so many visible spots, from its seed.

A spot is visible when its photons I stand out of the noise under them by more than `VISIBLE` deviations,

    I / √(I + n (b + σ²)) > 6,    n = 4π √det C,

with b the background's photons in a pixel there, σ the read noise in photons and n the pixels that it is spread over:
what a filter of the spot's own Gaussian shape C sums (the pixel's 1/12 and the detector's own spread among it). Solved
for I, that says how bright the crystal must be for each spot to be seen; brightness between what the n-th and the
(n + 1)-th need makes exactly n visible. Spots on dead pixels, at the edge, or within `APART` pixels of a brighter one
are never counted, at any brightness, since they keep their order.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.rng import normals, states, uniforms
from simulate.sfx import background
from simulate.sfx.config import CrystalDatasetConfig
from simulate.sfx.crystal import Crystal
from simulate.sfx.detector import Detector
from simulate.sfx.frame_numba import add_spots, read
from simulate.sfx.frame_numba import background as add_background
from simulate.sfx.normals_numba import poisson
from simulate.sfx.spots import Beam, Spots, spots

VISIBLE = 6.0
"""Deviations."""

APART = 3.0
"""Pixels to a brighter spot, below which two are one peak."""

DRAWN = 0.3
"""Deviations that a spot must stand out to be put on the frame; 1 to be listed."""

LISTED = 1.0

BORDER = 2
"""Pixels round a spot's middle that all have to be live, for it to count."""

Array = NDArray[np.float64]


class Frame(NamedTuple):
    """A frame and what is on it."""

    adu: NDArray[np.uint16]
    """(ny, nx)"""
    spots: Spots
    """Those that stand out by more than LISTED, brightest first by deviations."""
    snr: Array
    """(n,) of each."""
    visible: NDArray[np.bool_]
    """(n,) of each."""


def make(
    config: CrystalDatasetConfig, crystal: Crystal, detector: Detector, seed: int, n_spots: int, *, blank: bool = False
) -> Frame:
    """A frame with `n_spots` visible spots; none and no crystal, if blank.

    ValueError where the crystal has too few reflections for so many.
    """
    number = np.uint64(seed)
    expected = np.empty(detector.shape, np.float32)
    scene = background.scene(config.background, detector, config.detector.binning, number, blank=blank)
    add_background(
        detector.radius, detector.factor, scene.profile, scene.tape_at, scene.tape_edge, scene.tape_left, expected
    )
    if scene.streak is not None:
        background.add_streak(scene.streak, detector, expected)
    found, snr, visible = _nothing()
    if not blank:
        found = shot(config, crystal, detector, number)
        found, snr, visible = exposed(config, detector, found, expected, number, n_spots)
        add_spots(found.x, found.y, found.photons, found.covariance, detector.live, expected)
    if scene.ice is not None:
        width = np.tile([0.5, 0.0, 0.5], (len(scene.ice.x), 1))
        add_spots(scene.ice.x, scene.ice.y, scene.ice.photons, width, detector.live, expected)
    listed = np.flatnonzero(snr > LISTED)
    listed = listed[np.argsort(-snr[listed], kind="stable")]
    return Frame(recorded(config, detector, expected, number), found.take(listed), snr[listed], visible[listed])


def shot(config: CrystalDatasetConfig, crystal: Crystal, detector: Detector, seed: np.uint64) -> Spots:
    """All spots of a crystal in the orientation that a seed gives it, at an arbitrary brightness."""
    quaternion = normals(np.array([seed]), "orientation", 4)[0]
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    edges = np.linalg.norm(np.linalg.inv(crystal.reciprocal), axis=1)  # rows a, b, c [Å]
    beam, own = config.beam, config.crystal
    pulse = Beam(detector.wavelength, beam.bandwidth, 1e-3 * beam.divergence_mrad, beam.polarisation)
    return spots(
        crystal,
        rotation,
        pulse,
        detector.camera,
        np.maximum(10 * own.domain_nm / edges, 1),
        np.deg2rad(own.mosaicity_deg),
        exposure=1.0,
    )


def exposed(
    config: CrystalDatasetConfig, detector: Detector, found: Spots, expected: NDArray, seed: np.uint64, n_spots: int
) -> tuple[Spots, Array, NDArray[np.bool_]]:
    """Spots as bright as makes exactly `n_spots` of them visible, those left out that drown; deviations; visible.

    Parameters
    ----------
    found :    at any brightness, on or beside the detector.
    expected : (ny, nx) photons of the background.
    """
    ny, nx = detector.shape
    column, row = np.rint(found.x).astype(int), np.rint(found.y).astype(int)
    near = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    found, column, row = found.take(near), column[near], row[near]
    if not len(found):
        raise ValueError("no reflection meets the detector; a shorter distance or a finer resolution gives some")
    own = config.detector
    dark = (own.read_noise_adu / own.gain_adu) ** 2
    spread = 1 / 12 + 2 * detector.neighbour
    c = found.covariance + np.array([spread, 0, spread])
    n_pixels = 4 * np.pi * np.sqrt(c[:, 0] * c[:, 2] - c[:, 1] ** 2)
    under = n_pixels * (expected[row, column] + dark)
    need = brightness(found.photons, under, VISIBLE)
    countable = surrounded(detector, column, row)
    order = np.flatnonzero(countable)
    order = order[np.argsort(need[order], kind="stable")]
    order = order[apart(found.x[order], found.y[order], n_spots + 2)]
    if len(order) < n_spots + 1:
        raise ValueError(
            f"a frame is to have {n_spots} visible spots, but only {len(order)} reflections of its crystal meet live "
            "pixels apart from each other; lower most_spots, or raise resolution or mosaicity"
        )
    faintest, next_one = (need[order[n_spots - 1]] if n_spots else 0.5 * need[order[0]]), need[order[n_spots]]
    u = 0.1 + 0.8 * uniforms(np.array([seed]), "crystal", 1)[0, 0]
    scale = faintest ** (1 - u) * next_one**u
    visible = np.zeros(len(found), bool)
    visible[order[:n_spots]] = True
    photons = scale * found.photons
    snr = photons / np.sqrt(photons + under)
    keep = snr > DRAWN
    bright = Spots(**{**found.__dict__, "photons": photons}).take(keep)
    return bright, snr[keep], visible[keep]


def brightness(photons: Array, under: Array, deviations: float) -> Array:
    """(n,) factor on photons (n,) at which I/√(I + under) is so many deviations: the root of I² = d² (I + under)."""
    d2 = deviations**2
    return (d2 + np.sqrt(d2**2 + 4 * d2 * under)) / 2 / np.maximum(photons, 1e-300)


def surrounded(detector: Detector, column: NDArray, row: NDArray) -> NDArray[np.bool_]:
    """(n,) whether all pixels round a place are live and not hot."""
    ny, nx = detector.shape
    good = (column >= BORDER) & (column < nx - BORDER) & (row >= BORDER) & (row < ny - BORDER)
    for dy in range(-BORDER, BORDER + 1):
        for dx in range(-BORDER, BORDER + 1):
            y, x = (row + dy).clip(0, ny - 1), (column + dx).clip(0, nx - 1)
            good &= detector.live[y, x] & (detector.hot[y, x] == 0)
    return good


def apart(x: Array, y: Array, count: int) -> NDArray[np.int64]:
    """The first `count` places (n,) that lie APART pixels or more from all that come before them, in their order."""
    kept: list[int] = []
    cells: dict[tuple[int, int], list[int]] = {}
    for i, (px, py) in enumerate(zip(x, y, strict=True)):
        cx, cy = int(px // APART), int(py // APART)
        around = (j for a in (-1, 0, 1) for b in (-1, 0, 1) for j in cells.get((cx + a, cy + b), ()))
        if all((x[j] - px) ** 2 + (y[j] - py) ** 2 >= APART**2 for j in around):
            kept.append(i)
            if len(kept) == count:
                break
        cells.setdefault((cx, cy), []).append(i)
    return np.array(kept, np.int64)


def recorded(
    config: CrystalDatasetConfig, detector: Detector, expected: NDArray[np.float32], seed: np.uint64
) -> NDArray[np.uint16]:
    """What the detector reads of expected photons (ny, nx), which are lost: Poisson first, then spread, then noise."""
    seeds, own = np.array([seed], np.uint64), config.detector
    poisson(expected.reshape(-1), states(seeds, "photons")[0])
    adu = np.empty(detector.shape, np.uint16)
    read(
        expected,
        detector.neighbour,
        detector.gain,
        detector.hot,
        detector.live,
        own.read_noise_adu,
        own.pedestal_adu,
        float(own.saturation_adu),
        states(seeds, "read_noise")[0],
        adu,
    )
    return adu


def _nothing() -> tuple[Spots, Array, NDArray[np.bool_]]:
    none = np.empty(0)
    whole = np.empty(0, np.int64)
    return Spots(none, none, none, np.empty((0, 3)), whole, whole.astype(np.int8), none, none), none, none.astype(bool)
