"""From a crystal's frame to what a network sees: central square, global and local contrast, row and column vectors.

All of it is one compiled pass over the frame; `tests/train/batches/test_contrast.py` has the slow twin. Pixels below 0
count as 0. Masked pixels are in no sum, and 0 in the result.

- `none`        x, or (x - mean) / deviation of the square with `global_contrast` (GCN)
- `subtractive` x - mean of the 5 x 5 around it; over the square's deviation with `global_contrast`
- `divisive`    that over the deviation of the same 5 x 5, as in Opt. Express (2023), arXiv 2309.04474. A lone bright
                pixel comes to 24/√24 = 4.9 at most, however bright: half of what tells spots from noise is lost
- `wide`        x - mean of 9 x 9, over the deviation of that over 31 x 31: of the noise around, hardly of the spot

Windows lie within the frame: a square of 720 pixels takes 724 of it for 5 x 5, as in the paper.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Local = Literal["none", "subtractive", "divisive", "wide"]

WINDOWS: dict[str, tuple[int, int]] = {"none": (1, 1), "subtractive": (5, 1), "divisive": (5, 1), "wide": (9, 31)}
"""Pixels along the window of the mean, and of the deviation where it is another."""

FLOOR = 1e-3
"""Of the square's deviation: what a local one is taken to be at least, or constant places would be divided by 0."""


@dataclass(frozen=True)
class Contrast:
    """Pre-processing of a frame."""

    pixels: int = 720
    """along an edge of the result"""
    local_contrast: Local = "divisive"
    global_contrast: bool = True
    halve: bool = False
    """the frame is first halved, each pixel the mean of 2 x 2: bilinear resizing by one half, as Ke et al. (2018)"""
    maxima: bool = False
    """images are halved last, each pixel the largest of 2 x 2: spots keep their height, a network works a quarter"""
    above: float | None = None
    """images become ln(1 + x - above), 0 where x is less: little is left of noise"""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if self.pixels < 8:
            raise ValueError(f"pixels is {self.pixels}, expected at least 8")
        if self.maxima and self.pixels % 2:
            raise ValueError(f"pixels is {self.pixels}, expected an even number: maxima are of 2 x 2")
        if self.above is not None and not 0 <= self.above < math.inf:
            raise ValueError(f"above is {self.above}, expected 0 or more deviations")
        if self.local_contrast not in get_args(Local):
            raise ValueError(f"local_contrast is {self.local_contrast!r}, expected one of {', '.join(get_args(Local))}")

    @property
    def edge(self) -> int:
        """Pixels along an edge of an image."""
        return self.pixels // 2 if self.maxima else self.pixels

    @property
    def margin(self) -> int:
        """Pixels beyond each edge of the square that windows reach."""
        return sum(window // 2 for window in WINDOWS[self.local_contrast])

    @property
    def needed(self) -> int:
        """Pixels along an edge of the smallest frame."""
        return (self.pixels + 2 * self.margin) * (2 if self.halve else 1)

    def must_fit(self, shape: tuple[int, ...], source: str) -> None:
        """ValueError for frames (ny, nx) that are too small."""
        needed = self.needed
        if min(shape) < needed:
            raise ValueError(
                f"{source} has frames of {shape[0]} x {shape[1]} pixels, but {self.pixels} pixels with their windows "
                f"({self.local_contrast}{', halved' if self.halve else ''}) take {needed} x {needed}; lower "
                f"pixels to at most {min(shape) // (2 if self.halve else 1) - 2 * self.margin}, or give larger frames"
            )


VECTORS = {"rows": slice(0, 1), "columns": slice(1, 2), "both": slice(0, 2)}
"""Which of the rows' and the columns' vectors, in this order, a network takes."""


class Contrasted(NamedTuple):
    """A frame after pre-processing."""

    image: NDArray[np.float32]
    """(edge, edge) of `Contrast`; (0, pixels) where it was not asked for"""
    rows: NDArray[np.float32]
    """(n,) largest less least of every row, arXiv 2309.04474's d_i"""
    columns: NDArray[np.float32]
    """(n,) of every column"""


ALL_LIVE = np.empty((0, 0), bool)


def contrasted(
    frame: NDArray,
    how: Contrast,
    live: NDArray[np.bool_] | None = None,
    *,
    image: bool = True,
    source: str = "the frame",
) -> Contrasted:
    """One frame (ny, nx) of counts or readings, pre-processed.

    Parameters
    ----------
    live :   (ny, nx) True where a pixel measures; None where all do.
    image :  False makes the vectors alone.
    source : what the frame is called in messages.

    Raises
    ------
    ValueError  the frame is too small, or none of its central pixels is live, or all have one value.
    """
    from train.batches.contrast_numba import local_pass, statistics

    if frame.ndim != 2:
        raise ValueError(f"{source} has the axes {frame.shape}, expected (ny, nx)")
    how.must_fit(frame.shape, source)
    alive = ALL_LIVE if live is None or live.all() else np.ascontiguousarray(live)
    if how.halve:
        frame, alive = halved(frame, alive)
    n, margin = how.pixels, how.margin
    top, left = ((size - n) // 2 - margin for size in frame.shape)
    number, mean, deviation = statistics(frame, alive, top, left, n + 2 * margin)
    if number == 0:
        raise ValueError(f"{source}: every pixel of the central {n} x {n} is masked; leave the frame out, or the mask")
    if deviation == 0 or not math.isfinite(deviation):
        raise ValueError(
            f"{source}: the central {n} x {n} pixels all hold {mean:g}: nothing was measured, or all is saturated; "
            "leave the frame out"
        )
    scale = 1 / deviation if how.global_contrast else 1.0
    rows, low, high = np.empty(n, np.float32), np.full(n, np.inf, np.float32), np.full(n, -np.inf, np.float32)
    out = np.empty((n if image else 0, n), np.float32)
    floor = FLOOR * deviation
    first, second = WINDOWS[how.local_contrast]
    if how.local_contrast == "wide":
        whole = n + second - 1
        rest, ends = np.empty((whole, whole), np.float32), np.empty((3, whole), np.float32)
        local_pass(frame, alive, False, (top, left), first, (True, False), 1.0, floor, rest, *ends)
        if alive.size:
            cut = first // 2
            alive = np.ascontiguousarray(alive[top + cut : top + cut + whole, left + cut : left + cut + whole])
        local_pass(rest, alive, True, (0, 0), second, (False, True), 1.0, floor, out, rows, low, high)
    else:
        steps = how.local_contrast in ("subtractive", "divisive"), how.local_contrast == "divisive"
        local_pass(frame, alive, False, (top, left), first, steps, scale, floor, out, rows, low, high)
        if image and how.local_contrast == "none" and how.global_contrast:
            out -= mean / deviation
            if alive.size:
                out *= alive[top : top + n, left : left + n]
    if image and how.maxima:
        out = out.reshape(how.edge, 2, how.edge, 2).max((1, 3))
    if image and how.above is not None:
        out = np.log1p(np.maximum(out - np.float32(how.above), 0))
    return Contrasted(out, rows, np.where(high >= low, high - low, 0).astype(np.float32))


def halved(frame: NDArray, live: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(ny // 2, nx // 2) means of the live pixels of each 2 x 2, and where there is one; live may be empty: all are.

    Bilinear resizing by exactly one half has its sample in the middle of four pixels: it is their mean.
    """
    ny, nx = (size // 2 * 2 for size in frame.shape)
    blocks = np.maximum(frame[:ny, :nx], 0).reshape(ny // 2, 2, nx // 2, 2)
    if not live.size:
        return blocks.mean((1, 3), dtype=np.float32), live
    weights = live[:ny, :nx].reshape(blocks.shape)
    number = weights.sum((1, 3))
    total = (blocks * weights).sum((1, 3), dtype=np.float32)
    return total / np.maximum(number, 1).astype(np.float32), number > 0
