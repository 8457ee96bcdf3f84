"""Whether a pulse hit anything: photons of an annulus against its background, and lit pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from frames.schema import Strict


class HitsConfig(Strict):
    """What counts as a hit."""

    inner_px: float = 20.0
    outer_px: float = 100.0
    background_photons: float = 0.05
    """a pixel of the annulus, mean, of a pulse that hits nothing"""
    sigmas: float = 20.0
    """of the annulus above its background: sqrt(2 log-likelihood ratio) of Poisson counts"""
    lit_photons: float = 1.0
    """of a pixel that is lit"""
    least_lit: int = 300


@dataclass(frozen=True)
class Hits:
    """What hit finding measured of each frame, (n,) each."""

    photons: NDArray[np.float64]
    """of the annulus"""
    score: NDArray[np.float64]
    """sigmas above the background"""
    lit: NDArray[np.int64]
    """pixels of the annulus"""
    hit: NDArray[np.bool_]


def annulus(mask: NDArray[np.bool_], centre: tuple[float, float], inner: float, outer: float) -> NDArray[np.bool_]:
    """(ny, nx) live pixels from inner to outer [pixels] of the centre (row, column).

    ValueError where there is none.
    """
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    r = np.hypot(y - centre[0], x - centre[1])
    found = ~mask & (r >= inner) & (r < outer)
    if not found.any():
        raise ValueError(
            f"no live pixel lies {inner:g} to {outer:g} pixels from the centre {centre} of {mask.shape} pixels; "
            "look at the mask and the centre"
        )
    return found


def poisson_sigmas(counted: NDArray[np.floating], expected: float) -> NDArray[np.float64]:
    """Sigmas by which counts exceed what is expected, 0 below: sqrt(2 (n log(n/b) - n + b))."""
    n = np.maximum(np.asarray(counted, np.float64), 1e-12)
    ratio = n * np.log(n / expected) - n + expected
    return np.where(n > expected, np.sqrt(2 * np.maximum(ratio, 0)), 0.0)


def false_alarms(expected: float, sigmas: float) -> float:
    """Share of empty pulses called hits, were the background Poisson: P(n >= the count of that many sigmas)."""
    counts = np.arange(int(expected), int(expected + 40 * (sigmas + 1) * np.sqrt(expected) + 100))
    threshold = counts[np.argmax(poisson_sigmas(counts.astype(np.float64), expected) >= sigmas)]
    return float(poisson.sf(threshold - 1, expected))


def find_hits(
    frames: NDArray[np.floating], mask: NDArray[np.bool_], centre: tuple[float, float], config: HitsConfig
) -> Hits:
    """Hits among frames (n, ny, nx) [photons]; pixels that are not finite count nothing.

    ValueError for frames of another size than the mask, or an annulus without a live pixel.
    """
    if frames.shape[1:] != mask.shape:
        raise ValueError(f"frames are of {frames.shape[1:]} pixels, the mask of {mask.shape}; they must be the same")
    chosen = annulus(mask, centre, config.inner_px, config.outer_px)
    values = np.asarray(frames)[:, chosen]
    values = np.where(np.isfinite(values), values, 0)
    photons = values.sum(1, dtype=np.float64)
    score = poisson_sigmas(photons, config.background_photons * chosen.sum())
    lit = (values >= config.lit_photons).sum(1)
    return Hits(photons, score, lit, (score >= config.sigmas) & (lit >= config.least_lit))
