"""Frames as a network takes them, from the files in which beamlines keep them: block by block, whatever their size.

What reads each format: frames/formats.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.formats.masks import MaskMeans, must_leave_pixels
from frames.formats.open import open_file
from frames.formats.readings import must_be_readings
from frames.formats.stacks import DEFAULT_NAMES
from frames.patterns import Fetch, Instrument, Patterns

__all__ = ["DEFAULT_NAMES", "Frames", "open_frames"]

BYTES_AT_ONCE = 64 * 2**20
"""Of the float32 frames of a block, at most, where a frame is no larger itself."""


@dataclass(frozen=True, repr=False)
class Frames:
    """n frames, read when they are asked for."""

    source: str
    """file, and the name in it, for messages"""
    shape: tuple[int, ...]
    """(n, ny, nx); of frames that are to be folded as they are stored"""
    fetch: Fetch
    bad: Fetch | None = None
    """(rows, ny, nx) or (ny, nx) True where the file's own mask says that a pixel is bad; None where it has no mask"""
    together: int = 1
    """frames that are best read together: a chunk or a shard"""
    instrument: Instrument | None = None
    """what the file says of beam and detector; None where it says nothing"""
    mask_said: str = ""
    """which masks were taken, and to mean what; empty where the file has none"""
    fill: float | None = None
    """what the file says that it is filled with where nothing was written"""
    summed: bool = False
    """of pixels that were found to hold readings; what is no reading in a pixel may well be a sum"""

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        frame = " x ".join(map(str, self.shape[1:]))
        return f"Frames({self.source}: {len(self)} of {frame} pixels{', masked' if self.bad else ''})"

    @property
    def n_blocks(self) -> int:
        """How many `blocks` gives."""
        return -(-len(self) // self._per_block())

    def _per_block(self) -> int:
        """Frames: whole chunks, where memory holds one."""
        most = max(1, BYTES_AT_ONCE // (4 * self.shape[1] * self.shape[2]))
        return most // self.together * self.together or most

    def read(self, rows: slice) -> NDArray[np.float32]:
        """Frames (rows, ny, nx), 0 where masked.

        ValueError where a pixel that is not masked holds no reading, and where all are masked.
        """
        start, stop, _ = rows.indices(len(self))
        rows = slice(start, stop)
        stored = self.fetch(rows)
        bad = None if self.bad is None else self.bad(rows)
        must_leave_pixels(bad, self.source, rows, self.mask_said)
        kept = stored if self.summed else must_be_readings(stored, bad, self.source, start, self.fill)
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
            frames = np.array(kept, np.float32)
        if stored.dtype.kind == "f" and stored.dtype.itemsize > frames.itemsize:
            must_be_readings(frames, None, self.source, start)
        return frames

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Rows and their frames, block after block."""
        size = self._per_block()
        for start in range(0, len(self), size):
            rows = slice(start, min(start + size, len(self)))
            yield rows, self.read(rows)


def open_frames(path: Path | str, name: str | None = None, mask_means: MaskMeans | None = None) -> Frames:
    """The frames of a file or folder; nothing but their shape and a mask is read yet.

    Parameters
    ----------
    name :       of the array in an HDF5 file or a Zarr group; by default the first of `DEFAULT_NAMES` that is there.
    mask_means : what nonzero means in the file's masks, instead of what it says: `bad`, `good`, or bits of `cxi`.

    Raises
    ------
    FileNotFoundError    there is no such file or folder.
    ModuleNotFoundError  what reads its format (h5py, zarr) is not installed.
    ValueError           it is none of these, is damaged, holds no frames (n, ny, nx) of real numbers, or not all.
    DamagedDatasetError  it is one of our datasets, and not complete.
    """
    path = Path(path)
    dataset = path.parent if path.name == "patterns.zarr" and name is None else path
    if path.is_dir() and (dataset / "layout.json").exists():
        return _of_dataset(dataset, name)
    return of_patterns(open_file(path, name, mask_means))


def of_patterns(patterns: Patterns) -> Frames:
    """Patterns of a file as frames."""
    mask = patterns.instrument.mask
    return Frames(
        source=patterns.source,
        shape=patterns.shape,
        fetch=patterns.fetch,
        bad=patterns.bad or (None if mask is None else lambda _: mask),
        together=patterns.per_chunk,
        instrument=patterns.instrument if patterns.instrument.known else None,
        mask_said=patterns.mask_said,
        fill=patterns.fill,
    )


def _of_dataset(folder: Path, name: str | None) -> Frames:
    """As the detector reads them, with the noise of the readout."""
    from frames.geometry import Geometry
    from frames.store.dataset import open_dataset

    if name is not None:
        raise ValueError(f"{folder} is a dataset of patterns and has none called {name!r}; leave the name out")
    dataset = open_dataset(folder)
    geometry = folder / "geometry.npz"
    instrument = Instrument.of(Geometry.load(geometry)) if geometry.exists() else None
    return Frames(str(folder), dataset.shape, dataset.read, together=dataset.patterns_per_shard, instrument=instrument)
