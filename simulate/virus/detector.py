"""Where the pixels of the pnCCD lie, which of them are dead, and what it adds to photons."""

import numpy as np
from numpy.typing import NDArray

from frames.geometry import Geometry, flat
from frames.readout.config import ReadoutConfig
from simulate.virus.config import DetectorConfig

SHAPES = {"roi": (240, 123), "binned": (260, 257)}
PIXEL_UM = {"roi": 75.0, "binned": 300.0}
DISTANCE_MM = {"roi": 130.0, "binned": 586.0}
WAVELENGTH = {"roi": 7.29, "binned": 7.75}
CENTRE = {"roi": (120.0, 125.0), "binned": (130.0, 128.0)}
"""Where the beam meets the image, (row, column); of the ROI beside its last column, in the gap of the two planes."""


def geometry_of(name: str) -> Geometry:
    """The pixels of one of the two geometries, with their dead ones."""
    row, column = CENTRE[name]
    return flat(WAVELENGTH[name], DISTANCE_MM[name], PIXEL_UM[name], row, column, live_of(name))


def live_of(name: str) -> NDArray[np.float64]:
    """(ny, nx) 0 in the dead centre and the gap, as the masks of real frames have them."""
    ny, nx = SHAPES[name]
    live = np.ones((ny, nx))
    row, column = (round(at) for at in CENTRE[name])
    if name == "binned":
        live[row - 2 : row + 3] = 0
        live[row - 8 : row + 8, column - 8 : column + 9] = 0
    else:
        y, x = np.mgrid[:ny, :nx]
        live[np.hypot(y - row, x - column) < 10] = 0
    return live


def added(config: DetectorConfig, photons: NDArray[np.floating]) -> NDArray[np.float64]:
    """Expected photons (ny, nx) of the background, the noisy block, and streaks of these expected photons."""
    ny, nx = photons.shape
    row, column = (round(at) for at in CENTRE[config.geometry])
    total = np.full((ny, nx), config.background_photons)
    total[round(0.885 * ny) : round(0.95 * ny), min(column, nx // 2) :] += config.block_photons
    if config.streak:
        for at in (column - 5, column + 8):
            if not 0 <= at < nx - 2:
                continue
            bright = photons[max(row - 30, 0) : row + 30, at : at + 3].sum(0)
            total[max(row - 32, 0) : max(row - 12, 1), at : at + 3] += config.streak * bright
    return total


def readout_of(config: DetectorConfig) -> ReadoutConfig:
    """What is applied when a frame is read."""
    return ReadoutConfig(
        gain_spread=config.gain_spread,
        read_noise_photons=config.read_noise_photons,
        adu_per_photon=config.adu_per_photon,
    )
