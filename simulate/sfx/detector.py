"""Detectors of crystal frames: where their pixels record, what each sees of the sphere, and how each reads."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from frames.rng import mix, normals, uniforms
from simulate.sfx.config import SIZES, CrystalBeamConfig, CrystalDatasetConfig, CrystalDetectorConfig
from simulate.sfx.spots import Camera, polarised

HC_EV_A = 12398.419843320026
"""Energy times wavelength of a photon, from the constants of the SI [eV Å]."""

RADII = 2048
"""Steps of the distance from the beam in which backgrounds are tabulated."""

HOT_ADU = 4000.0, 30000.0
"""Between these hot pixels read."""

ASIC, ASIC_GAP, TILT_DEG = (185, 194), 3, 0.3
"""A CSPAD's readout chips: rows and columns of pixels, those missing between the two of a module, and the largest tilt
of a module."""

QUADRANT = (
    *((-29, 40, 0), (-29, 253, 0), (-27, 467, 1), (186, 466, 1)),
    *((373, 40, 1), (586, 39, 1), (398, 457, 0), (398, 669, 0)),
)
"""Modules of the quadrant at the lower right: row and column of the first pixel counted from the beam, and whether the
module lies along the rows (1) or along the columns (0); measured on the frames of thermolysin of DIALS' data files."""


@dataclass(frozen=True)
class Detector:
    """What does not change from frame to frame."""

    camera: Camera
    wavelength: float
    """Nominal [Å]."""
    live: NDArray[np.bool_]
    """(ny, nx) False in gaps and behind the beamstop."""
    radius: NDArray[np.float32]
    """(ny, nx) distance from the beam, in steps of which RADII reach the farthest corner."""
    s_of_radius: NDArray[np.float64]
    """(RADII + 1,) s = 1/d at each step [1/Å]."""
    factor: NDArray[np.float32]
    """(ny, nx) solid angle times polarisation, 1 on the axis; 0 where not live."""
    gain: NDArray[np.float32]
    """(ny, nx) ADU a photon."""
    hot: NDArray[np.float32]
    """(ny, nx) ADU read whatever falls on it; 0 for most pixels."""
    neighbour: float
    """Share of a pixel's signal that each of its neighbours along a row, and then along a column, is given."""

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.live.shape


def detector(config: CrystalDatasetConfig) -> Detector:
    """The detector of a dataset."""
    return _detector(config.detector, config.beam)


@lru_cache(maxsize=4)
def _detector(config: CrystalDetectorConfig, beam: CrystalBeamConfig) -> Detector:
    size, pixel = config.size, config.pixel_mm
    middle = (size - 1) / 2
    camera = Camera(config.distance_mm, pixel, (middle, middle))
    wavelength = HC_EV_A / beam.photon_energy_eV
    along = (np.arange(size) - middle) * pixel
    x, y = along[None, :], along[:, None]
    radius = np.sqrt(x**2 + y**2)
    length2 = radius**2 + config.distance_mm**2
    direction = np.stack(np.broadcast_arrays(x, y, config.distance_mm), -1) / np.sqrt(length2)[..., None]
    live = recording(config) & (radius > config.beamstop_mm)
    factor = polarised(direction, beam.polarisation) * (config.distance_mm / np.sqrt(length2)) ** 3 * live
    farthest = radius.max() * 1.001
    theta = np.arctan(np.linspace(0, farthest, RADII + 1) / config.distance_mm) / 2
    gain = config.gain_adu * (1 + config.gain_spread * _of_pixels(normals, config.seed, "gain", size))
    return Detector(
        camera=camera,
        wavelength=wavelength,
        live=live,
        radius=(radius * (RADII / farthest)).astype(np.float32),
        s_of_radius=2 * np.sin(theta) / wavelength,
        factor=factor.astype(np.float32),
        gain=gain.astype(np.float32),
        hot=_hot(config, size).astype(np.float32),
        # What leaves a pixel crosses its edges: of binned ones, only the outermost give anything away.
        neighbour=config.neighbour_share / config.binning,
    )


def _of_pixels(draw, seed: int, stream: str, size: int) -> NDArray[np.float64]:
    rows = mix(np.arange(size, dtype=np.uint64) ^ mix(np.asarray(seed, np.uint64)))
    return draw(rows, stream, size)


def _hot(config: CrystalDetectorConfig, size: int) -> NDArray[np.float64]:
    u = _of_pixels(uniforms, config.seed, "hot", size)
    low, high = HOT_ADU
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(u < config.hot_fraction, low + (high - low) * u / config.hot_fraction, 0)


def recording(config: CrystalDetectorConfig) -> NDArray[np.bool_]:
    """(n, n) True where there are pixels that record, the beamstop not regarded; binned ones need all of theirs."""
    size, binning = SIZES[config.model] // config.binning, config.binning
    whole = np.ones((SIZES[config.model],) * 2, bool) if config.model == "rayonix" else cspad()
    binned = whole[: size * binning, : size * binning].reshape(size, binning, size, binning).all(axis=(1, 3))
    first = (size - config.size) // 2
    return np.asarray(binned)[first : first + config.size, first : first + config.size]


@lru_cache(maxsize=1)
def cspad() -> NDArray[np.bool_]:
    """(1765, 1765) True on the 64 chips of a CSPAD: four quadrants, turned by 90°, of eight modules of two chips.

    Modules lie as in the frames of thermolysin among DIALS' data files, to about 20 pixels; each is tilted a little.
    """
    size = SIZES["cspad"]
    middle = (size - 1) / 2
    live = np.zeros((size, size), bool)
    y, x = np.indices((size, size)) - middle
    rows, columns = ASIC
    tilts = np.deg2rad(TILT_DEG * (2 * uniforms(np.zeros(1, np.uint64), "gain", 32)[0] - 1))
    for number in range(32):
        turn = (1, 0, -1, 0, 1)[number // 8 : number // 8 + 2]
        row, column, along_rows = QUADRANT[number % 8]
        height, width = (rows, 2 * columns + ASIC_GAP) if along_rows else (2 * columns + ASIC_GAP, rows)
        v = y * turn[0] - x * turn[1]  # in the quadrant's own frame
        u = x * turn[0] + y * turn[1]
        v, u = v - row - height / 2, u - column - width / 2
        v, u = v - tilts[number] * u, u + tilts[number] * v
        inside = (np.abs(v) < height / 2) & (np.abs(u) < width / 2)
        live |= inside & (np.abs(u if along_rows else v) > ASIC_GAP / 2)
    return live
