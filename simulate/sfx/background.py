"""All on a frame that is no spot of the crystal: water, air, ice, streaks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.rng import normals, uniforms
from simulate.sfx.config import CrystalBackgroundConfig
from simulate.sfx.detector import Detector

Array = NDArray[np.float64]

WATER_S = np.array(
    [0, 0.1, 0.16, 0.2, 0.235, 0.27, 0.31, 0.335, 0.36, 0.39, 0.42, 0.45, 0.5, 0.57, 0.64, 0.72, 0.8, 1.0]
)
WATER = np.array([0.04, 0.05, 0.09, 0.17, 0.4, 0.78, 1, 0.95, 0.76, 0.58, 0.5, 0.43, 0.34, 0.22, 0.17, 0.15, 0.14, 0.1])
"""What liquid water scatters, its ring 1, against s = 1/d [1/Å]: the ring at 3.2 Å, its shoulder at 2.2 Å, and what
falls off beyond. Read off the halo of a real frame, solid angle, polarisation and air taken out."""

ICE_D = np.array([3.90, 3.67, 3.44, 2.67, 2.25, 2.07, 1.92])
ICE_STRENGTH = np.array([1.0, 0.7, 0.9, 0.25, 0.5, 0.4, 0.45])
"""Rings of hexagonal ice [Å] and their heights, rounded."""

ICE_WIDTH = 0.002
"""Standard deviation of a ring [1/Å]."""

AIR_LEFT = 0.02
"""Of the air, what does not fall with the angle: Compton scattering."""


class Ice(NamedTuple):
    """Spots of crystals of ice, (n,) each."""

    x: Array
    y: Array
    photons: Array


class Streak(NamedTuple):
    """A line of light from the beam outwards."""

    angle: float
    """From x towards y [rad]."""
    first: float
    """Where it begins, from the beam [pixel]."""
    length: float
    """Over which it falls to 1/e [pixel]."""
    width: float
    """Standard deviation across [pixel]."""
    photons: float
    """In its brightest pixel."""


class Scene(NamedTuple):
    """What one frame's background is."""

    profile: NDArray[np.float32]
    """Photons at each step of the radius, were solid angle and polarisation 1."""
    tape_at: float
    """Column [pixel]."""
    tape_edge: float
    """[pixel]"""
    tape_left: float
    """1 without a tape."""
    ice: Ice | None
    streak: Streak | None


def scene(
    config: CrystalBackgroundConfig, detector: Detector, binning: int, seed: np.uint64, *, blank: bool = False
) -> Scene:
    """The background of one frame, by its seed; `blank` frames have no ice and no streak."""
    seeds = np.array([seed], np.uint64)
    u, z = uniforms(seeds, "background", 12)[0], normals(seeds, "background", 16)[0, 12:]
    area = binning**2
    s = detector.s_of_radius
    log_spread = np.sqrt(np.log1p(config.spread**2))
    level = np.exp(log_spread * z[:2] - log_spread**2 / 2)
    profile = level[0] * config.water_photons * np.interp(s, WATER_S, WATER)
    profile += level[1] * config.air_photons * (np.exp(-((s / config.air_reach) ** 2)) + AIR_LEFT)
    ice = None
    if u[0] < config.ice_fraction and not blank:
        strength = config.ice_photons * u[1] ** 2
        rings = np.exp(-((s[:, None] - 1 / ICE_D) ** 2) / (2 * ICE_WIDTH**2)) @ ICE_STRENGTH
        profile += strength * rings
        ice = _ice_spots(config, detector, seeds, float(u[2]), strength)
    streak = None
    if u[3] < config.streak_fraction and not blank:
        size = detector.shape[1]
        streak = Streak(
            angle=2 * np.pi * u[4],
            first=size * (0.03 + 0.05 * u[5]),
            length=size * (0.02 + 0.06 * u[6]),
            width=(0.7 + 1.5 * u[7]) / binning,
            photons=config.streak_photons * area * u[8],
        )
    tape, pixel = config.tape, detector.camera.pixel_mm
    has_tape = tape is not None and u[9] < tape.probability
    at, edge, left = (0.0, 1.0, 1.0)
    if tape is not None and has_tape:
        at = detector.camera.centre[0] + tape.wander_mm / pixel * z[2]
        edge, left = tape.edge_mm / pixel / 2, 1 - (1 - tape.transmission) * (0.5 + u[10])
    return Scene((area * profile).astype(np.float32), at, edge, left, ice, streak)


def _ice_spots(
    config: CrystalBackgroundConfig, detector: Detector, seeds: NDArray[np.uint64], share: float, strength: float
) -> Ice:
    n = round(share * config.ice_spots)
    u = uniforms(seeds, "ice", 3 * n).reshape(n, 3)
    ring = np.searchsorted(np.cumsum(ICE_STRENGTH) / ICE_STRENGTH.sum(), u[:, 0])
    s = np.minimum(1 / ICE_D[ring], 0.99 / detector.wavelength)
    radius = detector.camera.distance_mm * np.tan(2 * np.arcsin(detector.wavelength * s / 2)) / detector.camera.pixel_mm
    angle = 2 * np.pi * u[:, 1]
    photons = strength * ICE_STRENGTH[ring] * -np.log(u[:, 2]) * 10
    x0, y0 = detector.camera.centre
    return Ice(x0 + radius * np.cos(angle), y0 + radius * np.sin(angle), photons)


def add_streak(streak: Streak, detector: Detector, image: NDArray[np.float32]) -> None:
    """Add a streak's expected photons to an image (ny, nx)."""
    x0, y0 = detector.camera.centre
    reach = streak.first + 6 * streak.length
    ends = np.array([[streak.first, reach]]) * np.array([[np.cos(streak.angle)], [np.sin(streak.angle)]])
    low = np.floor(ends.min(axis=1) + np.array([x0, y0]) - 6 * streak.width).astype(int).clip(0)
    high = np.ceil(ends.max(axis=1) + np.array([x0, y0]) + 6 * streak.width).astype(int) + 1
    part = np.s_[low[1] : high[1], low[0] : high[0]]
    y, x = np.indices(image.shape, sparse=True) if image[part].size == 0 else np.ogrid[part]
    y, x = y[: image[part].shape[0]] - y0, x[:, : image[part].shape[1]] - x0
    along = x * np.cos(streak.angle) + y * np.sin(streak.angle)
    across = y * np.cos(streak.angle) - x * np.sin(streak.angle)
    light = np.exp(-np.maximum(along - streak.first, 0) / streak.length) * (along > streak.first)
    light *= np.exp(-(across**2) / (2 * streak.width**2))
    image[part] += (streak.photons * light * detector.live[part]).astype(np.float32)
