"""Candidates for Bragg spots of a frame, each in two numbers: what our network counts spots by.

They are what the peak finder sees when it is asked for less than it takes for peaks (`THRESHOLD` deviations in place of
5.5), so weak spots are among them, and so are noise and ice: which is which, the network learns
(`train/models/hit_finding/spot_counter.py`). What these numbers mean must not change with the background, the gain or
the dataset: so noise is told by a frame's calmest tiles, and by pixels near. Else rings of ice and the bent halo of
water pass for noise, and the same spot has fewer deviations where they are.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from frames.pixels.peaks.finder import Mask

THRESHOLD = 4.75
"""Deviations. A million independent numbers of a normal law exceed it once."""

CALM = 0.1
"""Share of a frame's tiles that noise is told by: ice leaves that many."""

RING = 6.0
"""Pixels, in place of the finder's 10: what bends within them passes for noise, and the halo of water bends."""

KEPT = 96
"""Candidates of a frame, the highest signal-to-noise ratio first; the rest of the table is 0."""

FEATURES = ("snr", "n_pixels", "is_there")
"""Of a candidate: twice the logarithm of its signal-to-noise ratio over 7; the same of its pixels, of 5 x 5, over 4
(ice and streaks lie on light of their own and have more); 1."""


class Candidates(NamedTuple):
    """Of a frame."""

    features: NDArray[np.float32]
    """(KEPT, len(FEATURES))"""
    places: NDArray[np.int32]
    """(KEPT, 2) row and column in the frame; -1 where there is no candidate"""
    n_found: int
    """candidates above the threshold, of which KEPT were kept"""


def candidates_of(frame: NDArray, mask: "Mask | None" = None, photon_adu: float | None = None) -> Candidates:
    """Candidates of one frame (ny, nx) of counts or readings; mask has its good pixels, all by default.

    photon_adu : what one photon reads, where a pixel has about one or less; else noise's long tail makes candidates.

    ValueError for a frame smaller than the peak finder's tile, of another shape than the mask, or all masked.
    """
    # Networks alone are to load where neither pandas nor pydantic is, which the peak finder needs.
    from frames.pixels.peaks.config import PeakConfig
    from frames.pixels.peaks.finder import Mask, find_peaks

    mask = Mask.of(np.ones(frame.shape, bool)) if mask is None else mask
    if not mask.good.any():
        raise ValueError("every pixel of a frame is masked; leave it out, or the mask")
    found = find_peaks(frame, mask, PeakConfig(min_snr=THRESHOLD, calm=CALM, ring_outer=RING, photon_adu=photon_adu))
    first = found.iloc[:KEPT]
    features, places = np.zeros((KEPT, len(FEATURES)), np.float32), np.full((KEPT, 2), -1, np.int32)
    features[: len(first)] = np.column_stack(
        (2 * np.log(first["snr"] / 7), 2 * np.log(first["n_pixels"] / 4), np.ones(len(first)))
    )
    places[: len(first)] = np.rint(first[["y", "x"]])
    return Candidates(features, places, len(found))
