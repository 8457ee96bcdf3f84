"""What methods see of the frames of a run, made once for all of them: rings and angles, pictures, boxes.

Frames are 260 x 257 readings with noise; a run at the slides' scale has 18,823 of them, 5 GB, and reading them takes
longer than most trainings. So they are read block after block, once, and `frames` are asked only for those on a page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.files import read_arrays, write_arrays
from frames.store.dataset import Dataset
from train.batches.polar_bins import PolarBins
from train.batches.representation import Representation, pictures
from train.models.detection.boxes import pattern_box

AT_ONCE = 512
"""Frames held together."""


class StoredFrames:
    """Frames of a store by their numbers, read when they are asked for.

    What bins, pictures and pages need of an array (n, ny, nx): its length, its shape, and rows of it.
    """

    def __init__(self, dataset: Dataset, numbers: NDArray[np.int64]):
        self.dataset, self.numbers = dataset, np.asarray(numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, ny, nx)."""
        return (len(self.numbers), *self.dataset.shape[1:])

    def __getitem__(self, rows: slice | NDArray | int) -> NDArray[np.float32]:
        """As of an array: (ny, nx) of one row, else (rows, ny, nx); chunks that hold one of them are read."""
        asked = np.atleast_1d(self.numbers[rows])
        found = np.empty((len(asked), *self.dataset.shape[1:]), np.float32)
        size = self.dataset.layout.patterns_per_chunk
        chunks = np.unique(asked // size)
        for run in np.split(chunks, np.flatnonzero(np.diff(chunks) > 1) + 1) if len(chunks) else ():
            for first in range(int(run[0]), int(run[-1]) + 1, max(1, AT_ONCE // size)):
                last = min(first + max(1, AT_ONCE // size), int(run[-1]) + 1)
                start, stop = first * size, min(last * size, len(self.dataset))
                here = np.flatnonzero((asked >= start) & (asked < stop))
                found[here] = self.dataset.read(slice(start, stop))[asked[here] - start]
        return found[0] if isinstance(rows, int | np.integer) else found


@dataclass(frozen=True)
class Seen:
    """Of frames (n,) of a run, in the order of its table."""

    polar: NDArray[np.float32]
    """(n, rings, angles) photons"""
    polar_log: NDArray[np.float32] | None
    """the same of log(photons + 1), where the EM is asked to use it"""
    pictures: Mapping[str, NDArray[np.uint8]]
    """scale, linear or log -> grey pictures (n, size, size)"""
    boxes: NDArray[np.float32]
    """(n, 4) [pixels of the frame] of those asked for, else NaN"""
    photons: NDArray[np.float64]
    """(n,) sum over all pixels"""

    def write(self, path: Path) -> None:
        """As .npz, atomically."""
        arrays = {"polar": self.polar, "boxes": self.boxes, "photons": self.photons}
        arrays |= {} if self.polar_log is None else {"polar_log": self.polar_log}
        write_arrays(path, arrays | {f"pictures/{scale}": some for scale, some in self.pictures.items()})


def read_seen(path: Path) -> Seen:
    """What `Seen.write` wrote. FileNotFoundError; ValueError for a damaged file."""
    arrays = read_arrays(path)
    drawn = {name.split("/")[1]: some for name, some in arrays.items() if name.startswith("pictures/")}
    return Seen(arrays["polar"], arrays.get("polar_log"), drawn, arrays["boxes"], arrays["photons"])


def see(
    frames: NDArray | StoredFrames,
    mask: NDArray[np.bool_],
    bins: PolarBins,
    boxed: NDArray[np.bool_],
    scales: Sequence[str] = (),
    image_size: int = 64,
    log: bool = False,
) -> Seen:
    """Look at frames (n, ny, nx) [photons] once.

    Parameters
    ----------
    mask :   (ny, nx) True where a pixel counts nothing.
    boxed :  (n,) frames of which the pattern's box is wanted.
    scales : of pictures, those of `train.batches.representation.Scale`.
    log :    whether log(photons + 1) is summed on rings and angles, too.
    """
    parts: dict[str, list[NDArray]] = {name: [] for name in ("polar", "polar_log", "photons", *scales)}
    boxes = np.full((len(frames), 4), np.nan, np.float32)
    for start, some in _blocks(frames):
        parts["polar"].append(bins.of(some))
        if log:
            parts["polar_log"].append(bins.of(some, log=True))
        parts["photons"].append(some.sum((1, 2), dtype=np.float64))
        for scale in scales:
            parts[scale].append(pictures(some, mask, Representation("grayscale", scale, image_size)))  # type: ignore[arg-type]
        for row in np.flatnonzero(boxed[start : start + len(some)]):
            boxes[start + row] = pattern_box(some[row], mask)
    joined = {name: np.concatenate(some) for name, some in parts.items() if some}
    drawn = {scale: joined[scale] for scale in scales}
    return Seen(joined["polar"], joined.get("polar_log"), drawn, boxes, joined["photons"])


def _blocks(frames: NDArray | StoredFrames) -> Iterable[tuple[int, NDArray]]:
    for start in range(0, len(frames), AT_ONCE):
        yield start, np.asarray(frames[start : start + AT_ONCE])
