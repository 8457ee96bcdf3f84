"""Frames as a detector stores them, of any size and number of panels, as the images that a network takes.

By a table of pixels (frames/pixels/table.py), while they are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from frames.formats.masks import MaskMeans
from frames.formats.stacks import DEFAULT_NAMES
from frames.frames import BYTES_AT_ONCE, Frames, open_frames
from frames.pixels.table import NOWHERE, PixelTable, fold

if TYPE_CHECKING:
    from frames.pixels.positions import MaskBeside


Fetch = Callable[[slice], NDArray]
"""Values of the rows of a slice with 0 <= start <= stop <= n."""


@dataclass(frozen=True)
class Stack:
    """n frames as they are stored; of `Frames` what those have that are no images."""

    source: str
    """file, and the name in it, for messages"""
    shape: tuple[int, ...]
    """(n, ...)"""
    fetch: Fetch
    bad: Fetch | None = None
    """(rows, ...) or a frame's shape, True where a mask in the file says that a pixel is bad; None where it has none"""
    together: int = 1
    """frames that are best read together"""


def open_folded(
    path: Path | str, table: PixelTable, name: str | None = None, mask_means: MaskMeans | None = None
) -> Frames:
    """The frames of a file or folder as images; nothing but their shape and a mask is read yet.

    Images are read from whatever `frames.frames.open_frames` reads; frames of more axes, as (n, panels, slow, fast),
    and those with a mask whose bits the table knows, from HDF5, CXI and .npy.

    Parameters
    ----------
    name : of the array in the file; by default the first of `DEFAULT_NAMES` that is there.

    Raises
    ------
    As `open_frames`; ValueError for frames of another shape than the table's, and without the mask that it knows of.
    """
    if len(table.frame_shape) == 2 and table.mask is None:
        return folded(open_frames(path, name, mask_means), table)
    path = Path(path)
    if path.suffix != ".npy":
        return folded(_of_hdf5(path, name, table.mask, mask_means), table)
    if name is not None or table.mask is not None:
        raise ValueError(f"{path} is one array, and has no {name or table.mask}")
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # unlike np.load it knows no pickles
    except ValueError as error:
        raise ValueError(f"{path} is no .npy file of numbers, or is damaged ({error})") from error
    _must_be_numbers(array, str(path))
    return folded(Stack(str(path), array.shape, array.__getitem__), table)


def folded(frames: Frames | Stack, table: PixelTable) -> Frames:
    """Images (n, n_pixels, n_pixels) of frames, made when they are asked for, with what the table says of the detector.

    A pixel that a mask calls bad adds nothing, and one that adds to no image may hold anything. ValueError for frames
    of another shape than the table's.
    """
    if tuple(frames.shape[1:]) != table.frame_shape:
        raise ValueError(
            f"{frames.source} holds frames of {tuple(frames.shape[1:])} pixels, but the table of pixels is of "
            f"{table.frame_shape}; make one for these (this one: {table.made_from or 'made without a command'})"
        )
    instrument, at_once = table.instrument, max(1, BYTES_AT_ONCE // (4 * table.target.size))

    def fetch(rows: slice) -> NDArray[np.float32]:
        images = np.empty((rows.stop - rows.start, table.n_pixels, table.n_pixels), np.float32)
        for start in range(rows.start, rows.stop, at_once):
            part = slice(start, min(start + at_once, rows.stop))
            bad = None if frames.bad is None else frames.bad(part)
            if bad is not None and bad[..., table.target != NOWHERE].all():
                raise ValueError(
                    f"{frames.source}: the mask leaves no pixel of frames {part.start} to {part.stop - 1}; see which "
                    "of its values say that a pixel is bad"
                )
            images[part.start - rows.start : part.stop - rows.start] = fold(np.asarray(frames.fetch(part)), table, bad)
        return images

    mask = table.live == 0
    n, edge = frames.shape[0], table.n_pixels
    return Frames(frames.source, (n, edge, edge), fetch, lambda _: mask, frames.together, instrument)


def _of_hdf5(path: Path, name: str | None, beside: "MaskBeside | None", said: MaskMeans | None) -> Stack:
    import h5py

    from frames.formats.cxi import MASKS
    from frames.formats.hdf5 import open_hdf5, read_rows

    with open_hdf5(path) as file:

        def is_there(key: str) -> bool:
            return isinstance(file.get(key), h5py.Dataset)

        wanted = DEFAULT_NAMES if name is None else (name.strip("/"),)
        chosen = next(filter(is_there, wanted), None)
        if chosen is None:
            raise ValueError(f"{path} has no dataset {' or '.join(wanted)}; name the one that holds the frames")
        stack, source = file[chosen], f"{path}: {chosen}"
        _must_be_numbers(stack, source)
        folder, slash, _ = chosen.rpartition("/")
        places = (f"{folder}{slash}mask", *MASKS) if beside is None else (beside.name,)
        mask = next((place for place in places if place != chosen and is_there(place)), None)
        if mask is None and beside is not None:
            raise ValueError(f"{path} has no mask {beside.name}, by which the table of pixels masks its frames")
        bad = None if mask is None else _bad(path, mask, file[mask], stack.shape, beside, said)
        together = 1 if stack.chunks is None else stack.chunks[0]
        return Stack(source, stack.shape, lambda rows: read_rows(path, chosen, rows), bad, together)


def _bad(
    path: Path,
    name: str,
    mask: Any,
    shape: tuple[int, ...],
    beside: "MaskBeside | None",
    said: MaskMeans | None,
) -> Fetch:
    """What of each frame is bad, by a mask of a frame's shape or of each frame."""
    from frames.formats.hdf5 import read_rows
    from frames.formats.masks import bad_pixels, means_by_place

    meaning = cast(MaskMeans, said or means_by_place(name, mask.attrs) or "bad")
    means = partial(bad_pixels, means=meaning) if beside is None else beside.unusable
    if mask.shape == shape:
        return lambda rows: means(read_rows(path, name, rows))
    if mask.shape != shape[1:]:
        raise ValueError(f"{path}: frames {shape} and their mask {name} {mask.shape} do not agree")
    bad = means(mask[()])
    return lambda _: bad


def _must_be_numbers(array: Any, source: str) -> None:
    if np.dtype(array.dtype).kind not in "biuf" or 0 in array.shape or len(array.shape) < 3:
        raise ValueError(f"{source} holds {array.dtype} {tuple(array.shape)}, expected frames (n, ...) of real numbers")
