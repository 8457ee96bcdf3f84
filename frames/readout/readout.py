"""What the detector makes of the stored photons, the same every time a pattern is read.

In a detector's own order: pixels amplify by their gain, hot ones add charge, the amplifier adds noise, the converter
rounds to whole ADUs; a dead pixel and a masked one read 0. Saturation is in the stored photons already.
Gains, hot and dead pixels are fixed patterns of the detector's seed; noise is drawn from each pattern's own.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from frames.readout.config import ReadoutConfig
from frames.rng import normals, states, uniforms

Shape = tuple[int, int]


def read(
    photons: NDArray[np.uint16], config: ReadoutConfig, seeds: NDArray[np.uint64], live: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Readings [photons] (n, ny, nx) of counts (n, ny, nx), one seed a pattern; 0 where live (ny, nx) is 0.

    An ideal readout gives the counts.

    Raises
    ------
    ValueError if shapes do not agree.
    """
    n, shape = len(photons), (photons.shape[1], photons.shape[2])
    if np.shape(seeds) != (n,) or np.shape(live) != shape:
        raise ValueError(
            f"photons {photons.shape}, seeds {np.shape(seeds)} and live {np.shape(live)} do not agree; "
            f"expected (n, ny, nx), (n,) and (ny, nx)"
        )
    if config.is_ideal:
        return photons.astype(np.float32)
    from frames.readout.readout_numba import amplify  # an ideal readout runs without numba

    readings = np.empty((n, live.size), dtype=np.float32)
    amplify(
        np.ascontiguousarray(photons).reshape(n, -1),
        gains(config, shape).ravel(),
        np.where(hot(config, shape), np.float32(config.hot_photons), np.float32(0)).ravel(),
        ((live > 0) & ~dead(config, shape)).ravel(),
        states(seeds, "read_noise"),
        np.float32(config.read_noise_photons),
        np.float32(config.adu_per_photon or 0),
        readings,
    )
    return readings.reshape(photons.shape)


@lru_cache(maxsize=16)
def gains(config: ReadoutConfig, shape: Shape) -> NDArray[np.float32]:
    """(ny, nx) reading per photon: Gaussian about 1, no less than 0."""
    spread = config.gain_spread * _per_pixel(normals, config, "gain", shape) if config.gain_spread else np.zeros(shape)
    return _fixed(np.maximum(1 + spread, 0).astype(np.float32))


@lru_cache(maxsize=16)
def hot(config: ReadoutConfig, shape: Shape) -> NDArray[np.bool_]:
    """(ny, nx) True where a pixel reads `hot_photons` too much."""
    return _fixed(_per_pixel(uniforms, config, "hot", shape) < config.hot_fraction)


@lru_cache(maxsize=16)
def dead(config: ReadoutConfig, shape: Shape) -> NDArray[np.bool_]:
    """(ny, nx) True where a pixel reads nothing."""
    return _fixed(_per_pixel(uniforms, config, "dead", shape) < config.dead_fraction)


def _per_pixel(numbers, config: ReadoutConfig, stream: str, shape: Shape) -> NDArray[np.float64]:
    return numbers(np.array([config.seed], dtype=np.uint64), stream, shape[0] * shape[1]).reshape(shape)


def _fixed(pattern: NDArray) -> NDArray:
    pattern.flags.writeable = False  # the cache hands the same array to everybody
    return pattern
