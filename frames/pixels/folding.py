"""Frames as a detector stores them, of any size and number of panels, as the images that a network takes.

By a table of pixels (frames/pixels/table.py), while they are read.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.formats.checks import AsStored
from frames.formats.masks import MaskMeans, must_leave_pixels
from frames.formats.open import open_file, open_frames
from frames.formats.readings import must_be_finite, must_be_readings
from frames.frames import BYTES_AT_ONCE, Frames
from frames.pixels.table import NOWHERE, PixelTable, fold


def open_folded(
    path: Path | str, table: PixelTable, name: str | None = None, mask_means: MaskMeans | None = None
) -> Frames:
    """The frames of a file or folder as images; nothing but their shape and a mask is read yet.

    Images are read from whatever `frames.formats.open.open_frames` reads; frames of more axes, as (n, panels, slow,
    fast), and those with a mask whose bits the table knows, from HDF5, CXI, Zarr and .npy.

    Parameters
    ----------
    name : of the array in the file; by default the first of `DEFAULT_NAMES` that is there.

    Raises
    ------
    As `open_frames`; ValueError for frames of another shape than the table's, and without the mask that it knows of.
    """
    if len(table.frame_shape) == 2 and table.mask is None:
        return folded(open_frames(path, name, mask_means), table)
    return folded(open_file(path, name, mask_means, AsStored(table.mask)), table)


def folded(frames: Frames, table: PixelTable) -> Frames:
    """Images (n, n_pixels, n_pixels) of frames, made when they are asked for, with what the table says of the detector.

    A pixel that a mask calls bad adds nothing, and one that adds to no image may hold anything. ValueError for frames
    of another shape than the table's, and, when they are read, for values that are no readings: of detector pixels, as
    a sum does not show one any more.
    """
    if frames.shape[1:] != table.frame_shape:
        raise ValueError(
            f"{frames.who} holds frames of {frames.shape[1:]} pixels, but the table of pixels is of "
            f"{table.frame_shape}; make one for these (this one: {table.made_from or 'made without a command'})"
        )
    at_once = max(1, BYTES_AT_ONCE // (4 * table.target.size))
    nowhere = table.target == NOWHERE

    def fetch(rows: slice) -> NDArray[np.float32]:
        images = np.empty((rows.stop - rows.start, table.n_pixels, table.n_pixels), np.float32)
        for start in range(rows.start, rows.stop, at_once):
            part = slice(start, min(start + at_once, rows.stop))
            masked = frames.unusable(part)
            bad = nowhere if masked is None else masked | nowhere
            must_leave_pixels(bad, frames.source, part, frames.mask_said)
            stored = must_be_readings(np.asarray(frames.fetch(part)), bad, frames.source, start, frames.fill)
            summed = fold(stored, table, bad)
            must_be_finite(summed, frames.source, start)
            images[start - rows.start : part.stop - rows.start] = summed
        return images

    return Frames(
        name=frames.name,
        shape=(frames.shape[0], table.n_pixels, table.n_pixels),
        dtype=np.float32,
        quantity="reading",
        fetch=fetch,
        labels=frames.labels,
        instrument=table.instrument,
        together=frames.together,
        mask_said=frames.mask_said,
        source=frames.source,
        first=frames.first,
        summed=True,
    )
