"""Stacks of frames (n, ny, nx) that lie in no layout of a program: a dataset of an HDF5 file, a Zarr array, .npy.

What reads a format is imported where one is read: .npy needs numpy alone. Nothing is unpickled.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from frames.files import DAMAGED
from frames.formats.checks import (
    MASKS,
    AsStored,
    in_words,
    must_be_numbers,
    must_be_there,
    must_be_values,
    nothing_there,
    shape_of,
)
from frames.formats.masks import MaskMeans, StoredMask, bad_of, means_by_place
from frames.frames import Fetch, Frames, Instrument, Quantity

if TYPE_CHECKING:
    pass

DEFAULT_NAMES = (
    *("entry_1/data_1/data", "entry_1/instrument_1/detector_1/data"),
    *("photons", "intensities"),
    "photonConverter/pnccdBack/photonCount",
    "entry/data/data",
)
"""Where frames are looked for unless a name is given: CXI's places, skopi's, that of CXIDB-58 and 88, NeXus'."""

NEXUS_MASKS = ("entry/instrument/detector/pixel_mask",)
"""Where NXmx has a mask of frames in entry/data, if there is none beside them."""


def read_npy(path: Path, stored: AsStored | None = None) -> Frames:
    """An array in a file of numpy's."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # unlike np.load it knows no pickles
    except ValueError as error:
        raise ValueError(f"{path} is no .npy file of numbers, or is damaged ({error})") from error
    must_be_numbers(array.dtype, str(path))
    shape = shape_of(array.shape, str(path), stored)
    return Frames(path.stem, shape, array.dtype, _quantity(array.dtype), array.__getitem__, source=str(path))


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a Zarr array or group, of version 2 or 3."""
    return any((folder / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))


def read_zarr(
    path: Path, name: str | None, mask_means: MaskMeans | None = None, stored: AsStored | None = None
) -> Frames:
    """An array of a Zarr group, by default the first of `DEFAULT_NAMES` that is there; or an array that is alone.

    ValueError if there is none, and for frames whose chunks are not there, which zarr would make up.
    """
    import zarr

    held: dict[str, Any] = {}
    try:
        node: Any = zarr.open(path, mode="r")
        if not isinstance(node, zarr.Array):
            held = {key: found for key, found in node.members(max_depth=None) if isinstance(found, zarr.Array)}
    except (ValueError, FileNotFoundError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is a folder, but no Zarr array or group of numbers and no dataset ({error})"
        ) from error
    masks: list[StoredMask] = []
    if isinstance(node, zarr.Array):
        if name is not None:
            raise ValueError(f"{path} is one array and has no dataset {name!r}; leave the name out")
        stack: Any = node
        source = str(path)
        _must_not_unpickle(stack, path)
    else:
        wanted = DEFAULT_NAMES if name is None else (name.strip("/"),)
        if (chosen := next((key for key in wanted if key in held), None)) is None:
            raise ValueError(nothing_there(path, wanted, {key: array.shape for key, array in held.items()}))
        stack, source = held[chosen], f"{path}: {chosen}"
        _must_not_unpickle(stack, path)
        folder, slash, _ = chosen.rpartition("/")
        beside = None if stored is None else stored.mask
        for key in [f"{folder}{slash}{mask}" for mask in MASKS] if beside is None else [beside.name]:
            if key in held and key != chosen:
                mask: Any = held[key]
                _must_not_unpickle(mask, path)
                means = means_by_place(key, mask.attrs)
                masks.append(StoredMask(key, mask.shape, _fetch(mask, f"{path}: {key}"), means, beside))
    must_be_there(masks, stored, path)
    must_be_numbers(stack.dtype, source)
    must_be_values(stack.attrs, source)
    shape = shape_of(stack.shape, source, stored)
    bad = bad_of(masks, shape, source, mask_means)
    _must_have_chunks(stack, path, source)
    fill = stack.fill_value
    return Frames(
        name=path.stem,
        shape=shape,
        dtype=stack.dtype,
        quantity=_quantity(stack.dtype),
        fetch=_fetch(stack, source),
        instrument=Instrument(mask=bad.fixed),
        together=(stack.shards or stack.chunks)[0],
        bad=bad.of_rows,
        mask_said=bad.said,
        source=source,
        fill=None if fill is None else float(fill) or None,
    )


def read_stack(path: Path, name: str, mask_means: MaskMeans | None = None, stored: AsStored | None = None) -> Frames:
    """A dataset of an HDF5 file."""
    from frames.formats.hdf5 import fill_of, find_frames, masks_of, open_hdf5, read_rows

    with open_hdf5(path) as file:
        name, stack = find_frames(file, (name,), path)
        source = f"{path}: {name}"
        shape = shape_of(stack.shape, source, stored)
        places = NEXUS_MASKS if name.startswith("entry/") else ()
        bad = bad_of(masks_of(file, name, path, places, stored), shape, source, mask_means)
        return Frames(
            name=path.stem,
            shape=shape,
            dtype=stack.dtype,
            quantity=_quantity(stack.dtype),
            fetch=lambda rows: read_rows(path, name, rows),
            instrument=Instrument(mask=bad.fixed),
            together=1 if stack.chunks is None else stack.chunks[0],
            bad=bad.of_rows,
            mask_said=bad.said,
            source=source,
            fill=fill_of(stack),
        )


def _quantity(dtype: DTypeLike) -> Quantity:
    return "photons" if np.issubdtype(np.dtype(dtype), np.integer) else "reading"


def _fetch(array: Any, source: str) -> Fetch:
    def fetch(rows: slice) -> NDArray:
        try:
            return np.asarray(array[rows])
        except DAMAGED as error:  # which names no file
            raise ValueError(
                f"{source} is damaged: frames {rows.start} to {rows.stop - 1} cannot be read ({error})"
            ) from error

    return fetch


def _must_not_unpickle(array: Any, path: Path) -> None:
    """ValueError for an array of Zarr 2 whose bytes would be unpickled, which can run any code."""
    if any(getattr(codec, "codec_id", None) == "pickle" for codec in (*array.filters, *array.compressors)):
        raise ValueError(f"{path} is stored as pickles, which can run any code and are not read; store plain numbers")


def _must_have_chunks(stack: Any, path: Path, source: str) -> None:
    """ValueError for files of an array that are not there: zarr leaves out what holds nothing but the fill value, and
    makes that of what is lost, too."""
    stored = stack.shards or stack.chunks
    folder = path / stack.path
    lacking: set[int] = set()
    for place in np.ndindex(*(-(-length // chunk) for length, chunk in zip(stack.shape, stored, strict=True))):
        if place[0] not in lacking and not (folder / stack.metadata.encode_chunk_key(place)).exists():
            lacking.add(place[0])
    if lacking:
        n, long = stack.shape[0], stored[0]
        rows = (row for at in sorted(lacking) for row in range(at * long, min((at + 1) * long, n)))
        raise ValueError(
            f"{source}: the files of {in_words(rows)} are not there, in all or in "
            f"part, and would read {stack.fill_value}; zarr leaves out what holds nothing else, unless it is told "
            "write_empty_chunks=True, and nothing tells that from what is lost: write all of them"
        )
