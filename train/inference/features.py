"""What frames are like, in a few numbers each: how many photons, how noisy, where the beam, which radial profile."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 64
"""Frames measured at once: 4 MB of 128 x 128 pixels, which stay in the cache."""

LEAST = 1e-9, 1.0, 1e-3
"""Of grain, photons and highest pixel: below, logarithms do not tell them apart"""

N_RINGS = 8
"""Of equal width, from the middle to the nearest edge of the image; a last one is what lies beyond."""


@dataclass(frozen=True)
class Feature:
    """One number of a frame."""

    label: str
    floor: float
    """least way from the median to an end of the range, where patterns hardly vary: a factor for what is a scale"""
    is_scale: bool = False
    """positive, and compared by factors"""
    scales: bool = False
    """changes where every pixel is multiplied: a network whose input is standardised does not see it"""


FEATURES = {
    "photons": Feature("photons per frame", 1.1, is_scale=True, scales=True),
    "lowest": Feature("lowest pixel", 0.5, scales=True),
    "highest": Feature("highest pixel", 1.1, is_scale=True, scales=True),
    "depth": Feature("lowest pixel over the highest", 0.1),
    "negative": Feature("share of pixels below 0", 0.1),
    "zero": Feature("share of pixels that are 0", 0.1),
    "whole": Feature("share of pixels that are whole numbers", 0.1, scales=True),
    "noise": Feature("variance of noise over photons", 1.5, is_scale=True, scales=True),
    "grain": Feature("share of the variance between neighbouring pixels", 1.5, is_scale=True),
    "x": Feature("middle of the photons along x [pixels]", 2.0),
    "y": Feature("middle of the photons along y [pixels]", 2.0),
    "quadrant": Feature("emptiest quadrant's share of the photons", 0.05),
    "together": Feature("distance of radial profile, grain and photons together", 0.0),
}
"""What is compared, by names. Noise shows in the checkerboard of 2 x 2 pixels, where an oversampled pattern has next to
nothing: of counted photons its variance is their number, of ADUs it is as many times their sum as a photon has ADUs."""

_PLAIN = [name for name in FEATURES if name != "together"]


class Measured(NamedTuple):
    """What n frames are like."""

    features: dict[str, NDArray[np.float64]]
    """(n,) each, by the names of `FEATURES`; not yet the distance, which is from some training's patterns"""
    together: NDArray[np.float64]
    """(n, rings + 3) root of each ring's share of the photons; logarithms of grain, photons and highest pixel"""


def measure(frames: NDArray) -> Measured:
    """What frames (n, ny, nx) are like.

    Shares and middles are of pixels above 0: in a frame of hardly any photon read noise adds up to about nothing.
    """
    weights = _weights(frames.shape[1], frames.shape[2])
    parts = [_measured(frames[at : at + AT_ONCE], weights) for at in range(0, len(frames), AT_ONCE)]
    features, together = (np.concatenate(some) for some in zip(*parts, strict=True))
    return Measured(dict(zip(_PLAIN, features.T, strict=True)), together)


@lru_cache(maxsize=4)  # frames that come one by one would wait ten times as long for it as for the rest
def _weights(ny: int, nx: int) -> NDArray[np.float32]:
    """(ny nx, 12 + rings): of each quadrant 1, x and y of its pixels from the middle [pixels]; and each ring's pixels.

    Opposite quadrants are the first and the last, and the two between.
    """
    y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (ny, nx)), indexing="ij")
    quadrants = [below & right for below in (y < 0, y >= 0) for right in (x < 0, x >= 0)]
    ring = np.minimum(np.hypot(x, y) * 2 * N_RINGS / min(ny, nx), N_RINGS).astype(int)
    columns = [quadrant * values for quadrant in quadrants for values in (np.ones_like(x), x, y)]
    columns += [ring == number for number in range(N_RINGS + 1)]
    return np.stack(columns, -1).reshape(ny * nx, -1).astype(np.float32)


def _measured(frames: NDArray, weights: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, features) in the order of `_PLAIN`, and (n, rings + 3)."""
    frames = frames.astype(np.float32, copy=False)
    pixels, (ny, nx) = frames.reshape(len(frames), -1), frames.shape[1:]
    with np.errstate(over="ignore", invalid="ignore"):  # what is too bright for float32 is inside of nothing
        blocks = frames[:, : ny // 2 * 2, : nx // 2 * 2].reshape(-1, ny // 2, 2, nx // 2, 2)
        checkers = (blocks[:, :, 0, :, 0] - blocks[:, :, 0, :, 1] - blocks[:, :, 1, :, 0] + blocks[:, :, 1, :, 1]) / 2
        noise = _mean_square(checkers)
        variance = _mean_square(pixels - pixels.mean(1, keepdims=True))
        sums = (np.maximum(pixels, 0) @ weights).astype(np.float64)
        quadrants, rings = sums[:, :12].reshape(-1, 4, 3), sums[:, 12:]
        photons = rings.sum(1)
        whole = _without_gaps(quadrants)
        features = {
            "photons": pixels.sum(1, dtype=np.float64),
            "lowest": pixels.min(1),
            "highest": pixels.max(1),
            "depth": _over(pixels.min(1), pixels.max(1)),
            "negative": (pixels < 0).mean(1),
            "zero": (pixels == 0).mean(1),
            "whole": (pixels == np.rint(pixels)).mean(1),
            "noise": _over(noise * pixels.shape[1], photons),
            "grain": _over(noise, variance),
            "x": _over(whole[:, 1], whole[:, 0]),
            "y": _over(whole[:, 2], whole[:, 0]),
            "quadrant": _over(quadrants[..., 0].min(1), photons),
        }
        scales = features["grain"], features["photons"] * _over(whole[:, 0], photons), features["highest"]
        logs = [np.log(np.maximum(values, least)) for values, least in zip(scales, LEAST, strict=True)]
        together = np.column_stack([np.sqrt(_over(rings, photons[:, None])), *logs])
        return np.stack([features[name] for name in _PLAIN], 1), together


def _without_gaps(quadrants: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) sums of 1, x and y over the photons, of these over each quadrant (n, 4, 3).

    A quadrant without photons is taken to show what the opposite one does: of frames that parts of the detector are
    missing from, fluence and beam position can then be told.
    """
    mirrored = quadrants[:, ::-1] * (1, -1, -1)
    return np.where(quadrants[..., :1] > 0, quadrants, mirrored).sum(1)


def _mean_square(values: NDArray) -> NDArray[np.float64]:
    """(n,) of values (n, ...)."""
    flat = values.reshape(len(values), -1)
    return np.einsum("np,np->n", flat, flat).astype(np.float64) / flat.shape[1]


def _over(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    """part / whole; 0 where the whole is nothing."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=np.broadcast_to(whole > 0, part.shape))
