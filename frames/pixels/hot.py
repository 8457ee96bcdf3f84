"""Hot pixels: those that read high whatever falls on them, found in the first frames of a recording, without labels.

In a frame a pixel stands out when it is above all others of its 5 x 5 but `TOGETHER` (fewer where it is cut), by more
than `DEVIATIONS` of these others' (by their median absolute deviation: a second hot pixel near by hides none). An edge,
a gap or a beamstop has more pixels of one brightness side by side, and never stands out.

A pixel is hot that stands out in at least `SHARE` of the frames, that is not spread as light is (a spot that stays
where it is: on average over these frames three of its four neighbours have more than `LIGHT` of its height), and that
stands out more often than sound ones may: they do so each with the probability q that is measured in the pixels round
it (at least `SPOTTED`: so much of a detector may lie under Bragg spots). By chance k times or more in n frames are then
as rare as P(Bin(n, q) ≥ k), and N times that, the expected number of sound pixels that are called hot, has to be at
most `ALARMS` for a detector of N pixels. That takes frames to be independent: equal ones are counted once, and fewer
than `LEAST` tell nothing.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.stats import binom

if TYPE_CHECKING:
    from frames.frames import Frames

FIRST = 32
"""Frames of a recording that are looked at."""

LEAST = 8
"""Frames: in fewer a spot of a crystal that is turned slowly may stay where it is."""

TOGETHER = 3
"""Hot pixels that may lie side by side and are still found."""

OTHERS = 12
"""Live pixels that a window needs, itself not counted."""

DEVIATIONS = 5.0

LIGHT = 0.03
"""Of a spot's height, what its neighbours have: a phosphor's binned pixels give each .08. Next to a hot pixel it is
less than nothing on average, since the second lowest of four is."""

SHARE = 0.4
"""Of the frames: where rings of ice bend what lies round a hot pixel, it stands out in half of them."""

SPOTTED = 0.01
"""213 spots of 9 pixels are .008 of 480 x 480."""

ALARMS = 0.01
"""Sound pixels called hot, expected of a detector."""

AROUND = 31
"""Pixels along an edge of what tells how often sound ones stand out."""


@dataclass(frozen=True)
class HotPixels:
    """What the first frames of a recording told."""

    bad: NDArray[np.bool_]
    """(ny, nx) True where hot"""
    n_frames: int
    """different ones that were looked at"""

    @property
    def places(self) -> NDArray[np.int32]:
        """(n, 2) row and column of each."""
        return np.argwhere(self.bad).astype(np.int32)

    @property
    def said(self) -> str:
        """In words."""
        if self.n_frames < LEAST:
            return f"{self.n_frames} different frames are too few to tell hot pixels by: none is masked; give {LEAST}"
        places = ", ".join(f"({row}, {column})" for row, column in self.places[:6])
        more = ", ..." if len(self.places) > 6 else ""
        found = f", masked: row and column {places}{more}" if places else ""
        pixels = "pixel" if len(self.places) == 1 else "pixels"
        return f"hot in the first {self.n_frames} frames: {len(self.places)} {pixels}{found}"


class HotSearch:
    """Looks at frames as they come."""

    def __init__(self, shape: tuple[int, ...]):
        self.counts = np.zeros(shape, np.int32)
        self.looked = np.zeros(shape, np.int32)
        self.heights, self.beside = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.seen: set[int] = set()

    @property
    def ended(self) -> bool:
        """Whether as many were seen as are looked at."""
        return len(self.seen) >= FIRST

    def add(self, frame: NDArray, live: NDArray[np.bool_] | None = None) -> None:
        """Look at a frame (ny, nx), its live pixels alone. ValueError for another shape."""
        from frames.pixels.hot_numba import count_standing_out

        if frame.shape != self.counts.shape:
            raise ValueError(f"a frame has the shape {frame.shape}, those before it {self.counts.shape}")
        values = np.ascontiguousarray(frame, np.float32)
        is_live = np.isfinite(values) if live is None else live & np.isfinite(values)
        if self.ended or (mark := zlib.crc32(values.tobytes())) in self.seen:
            return
        self.seen.add(mark)
        self.looked += is_live
        sums = self.counts, self.heights, self.beside
        count_standing_out(values, is_live, TOGETHER, OTHERS, DEVIATIONS, *sums)

    def found(self) -> HotPixels:
        """What the frames so far tell."""
        is_light = (self.counts > 0) & (self.beside > LIGHT * self.heights)
        return HotPixels(hot_by_counts(self.counts, self.looked, len(self.seen)) & ~is_light, len(self.seen))


def hot_by_counts(counts: NDArray[np.int32], looked: NDArray[np.int32], n_frames: int) -> NDArray[np.bool_]:
    """(ny, nx) which pixels are hot, of how often each stood out, how often it was live, and how many frames there are.

    A pixel that was live in fewer than LEAST frames is not.
    """
    hot = np.zeros(counts.shape, bool)
    suspect = (looked >= LEAST) & (counts >= SHARE * looked)
    if n_frames < LEAST or not suspect.any():
        return hot
    # A suspect says nothing of sound pixels, were it one: so rates are of the others.
    sums = [
        uniform_filter(np.where(suspect, 0, one).astype(float), AROUND, mode="constant")[suspect]
        for one in (counts, looked)
    ]
    pixels = AROUND**2
    rate = np.maximum((sums[0] * pixels + 1) / (sums[1] * pixels + 1), SPOTTED)
    chance = binom.sf(counts[suspect] - 1, looked[suspect], np.minimum(rate, 1))
    hot[suspect] = chance * (looked > 0).sum() <= ALARMS
    return hot


def hot_pixels(frames: Iterable[tuple[NDArray, NDArray[np.bool_] | None]], shape: tuple[int, ...]) -> HotPixels:
    """Hot pixels by the first of some frames (ny, nx), each with its live pixels (ny, nx) or None, which all are."""
    search = HotSearch(shape)
    for frame, live in frames:
        search.add(frame, live)
        if search.ended:
            break
    return search.found()


def hot_in(frames: "Frames") -> HotPixels:
    """Hot pixels of a file, by its first frames. ValueError as reading says."""
    first = frames.rows(slice(0, min(FIRST, len(frames)))) if len(frames) else frames

    def each() -> Iterator[tuple[NDArray, NDArray[np.bool_] | None]]:
        for _, images, bad in first.masked_blocks():
            for at, image in enumerate(images):
                yield image, None if bad is None else ~(bad if bad.ndim == 2 else bad[at])

    return hot_pixels(each(), frames.shape[1:])
