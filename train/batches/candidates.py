"""The brightest candidates for Bragg spots of a frame, each in a few numbers: what our network counts spots by.

A candidate is a pixel that exceeds its neighbours, and its 9 x 9's mean by `THRESHOLD` deviations of the noise about
it. That is far below what a peak finder takes, so weak spots are among them, and so is noise: which is which, the
network learns (`train/models/hit_finding/spot_counter.py`). All numbers are ratios to the noise around or of shape, so
they say the same on another background, with another gain and on another detector of like pixels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 4.0
"""Deviations. Of 3.7 million pixels of normal noise 120 exceed it; of a spot's, sharpened by the point spread, all that
can be told at all."""

KEPT = 64
"""Candidates of a frame, the brightest first; the rest of the table is 0."""

MOST = 20_000
"""Maxima that are described; where noise is of single photons and there are more, the threshold rises by quarters."""

FEATURES = (
    "snr",
    "height",
    "peak_share",
    "neighbour",
    "elongation",
    "slope",
    "crowd_in_ring",
    "compactness",
    "near",
    "aligned",
    "is_there",
)
"""Of a candidate: those of `candidates_numba.describe`, scaled; other candidates within `NEAR` pixels; of all, those in
the same row or column within a pixel (gaps' edges, streaks); 1."""

BLOCK, WINDOW, INNER, OUTER, NEAR = 32, 9, 3, 7, 24
EDGE = OUTER


class Candidates(NamedTuple):
    """Of a frame."""

    features: NDArray[np.float32]
    """(KEPT, len(FEATURES))"""
    places: NDArray[np.int32]
    """(KEPT, 2) row and column in the frame; -1 where there is no candidate"""
    n_maxima: int
    """maxima above the threshold; those of the highest signal over noise were kept"""


def candidates_of(frame: NDArray, live: NDArray[np.bool_] | None = None) -> Candidates:
    """Candidates of one frame (ny, nx) of counts or readings; live (ny, nx) is True where a pixel measures.

    ValueError for a frame smaller than its windows, and for one that is all masked.
    """
    from train.batches.candidates_numba import block_deviations, describe_all, find_maxima

    least = 4 * OUTER + WINDOW
    if frame.ndim != 2 or min(frame.shape) < least:
        raise ValueError(f"a frame has the axes {frame.shape}, expected (ny, nx) of at least {least} pixels each")
    alive = np.empty((0, 0), bool) if live is None or live.all() else np.ascontiguousarray(live)
    if alive.size and not alive.any():
        raise ValueError("every pixel of a frame is masked; leave it out, or the mask")
    rest = _without_background(frame, alive)
    deviations = np.empty(tuple(-(-size // BLOCK) for size in frame.shape), np.float32)
    block_deviations(rest, alive, BLOCK, deviations)
    deviations = _not_below_typical(deviations)
    places, heights, threshold = np.empty((MOST, 2), np.int32), np.empty(MOST, np.float32), THRESHOLD
    while (n := find_maxima(rest, alive, deviations, BLOCK, threshold, EDGE, places, heights)) > MOST:
        threshold *= 1.25
    places = places[:n]
    numbers, possible = np.zeros((len(places), 8)), np.empty(len(places), bool)
    describe_all(frame, alive, places, INNER, OUTER, numbers, possible)
    places, numbers = places[possible], numbers[possible]
    order = np.argsort(-numbers[:, 0], kind="stable")[:KEPT]
    filled = len(order)
    features, kept = np.zeros((KEPT, len(FEATURES)), np.float32), np.full((KEPT, 2), -1, np.int32)
    kept[:filled] = places[order]
    features[:filled] = _scaled(numbers[order], kept[:filled])
    return Candidates(features, kept, n)


def _without_background(frame: NDArray, alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each pixel less the mean of its 9 x 9, by squares that cover the frame; 0 in the margin of the windows."""
    from train.batches.contrast_numba import local_pass

    ny, nx = frame.shape
    rest, half = np.zeros((ny, nx), np.float32), WINDOW // 2
    side = min(ny, nx) - 2 * half
    ends = np.empty((3, side), np.float32)
    out = np.empty((side, side), np.float32)
    for top in dict.fromkeys((*range(0, ny - 2 * half - side, side), ny - 2 * half - side)):
        for left in dict.fromkeys((*range(0, nx - 2 * half - side, side), nx - 2 * half - side)):
            local_pass(frame, alive, True, (top, left), WINDOW, (True, False), 1.0, 0.0, out, *ends)
            rest[top + half : top + half + side, left + half : left + half + side] = out
    return rest


def _not_below_typical(deviations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blocks that are dark or masked say little of the noise: at least a tenth of the frame's median."""
    positive = deviations[deviations > 0]
    return np.maximum(deviations, np.float32(0.1 * np.median(positive) if positive.size else 1e-6))


def _scaled(numbers: NDArray, places: NDArray[np.int32]) -> NDArray:
    """Numbers (m, 8) of about 1: logarithms of what spans decades; then how candidates lie to each other, and 1."""
    result = np.ones((len(numbers), len(FEATURES)))
    result[:, :8] = numbers
    for column in (0, 1, 4, 5):
        result[:, column] = np.log1p(np.maximum(numbers[:, column], 0))
    if len(places):
        apart = np.abs(places[:, None].astype(int) - places[None])
        result[:, 8] = np.log1p((apart.max(2) <= NEAR).sum(1) - 1)
        result[:, 9] = np.log1p(((apart <= 1).any(2)).sum(1) - 1)
    return result
