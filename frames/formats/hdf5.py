"""What the HDF5 formats share: images streamed into a dataset, labels, stacks of frames, values that may be absent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from frames.formats.checks import MASKS, AsStored, must_be_numbers, must_be_there, must_be_values, nothing_there
from frames.formats.hdf5_sources import load_plugins, look_up, must_hold_values
from frames.formats.masks import StoredMask, means_by_place
from frames.frames import Frames, Label, stream

CHUNK_BYTES = 2**19

COMPRESSED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""By what every build of HDF5 has."""


def write_images(group: h5py.Group, name: str, patterns: Frames, *, panels: bool = False) -> h5py.Dataset:
    """Stream all images into a new dataset (n, ny, nx), or (n, 1, ny, nx) with an axis of panels."""
    n, ny, nx = patterns.shape
    image = (1, ny, nx) if panels else (ny, nx)
    per_chunk = max(1, min(n, CHUNK_BYTES // (ny * nx * np.dtype(patterns.dtype).itemsize)))
    dataset = group.create_dataset(
        name,
        shape=(n, *image),
        dtype=patterns.dtype,
        **(COMPRESSED | {"chunks": (per_chunk, *image)} if n else {}),  # what holds nothing has no chunks
    )
    for rows, images in stream(patterns):
        dataset[rows] = images.reshape(-1, *image)
    return dataset


def write_labels(group: h5py.Group, labels: Mapping[str, Label]) -> None:
    """One dataset a label, with its attributes."""
    for name, label in labels.items():
        dataset = group.create_dataset(name, data=label.values)
        for key, value in label.attributes.items():
            dataset.attrs[key] = value


def read_labels(group: Any, n: int | None = None) -> dict[str, Label]:
    """What `write_labels` wrote, of `n` patterns alone if it is given; nothing where there is no such group."""
    if not isinstance(group, h5py.Group):
        return {}
    labels = ((name, group[name]) for name in group)
    return {
        name: read_label(label)
        for name, label in labels
        if isinstance(label, h5py.Dataset) and (n is None or np.shape(label)[:1] == (n,))
    }


def read_label(dataset: h5py.Dataset) -> Label:
    """A dataset as a label."""
    attributes = {
        key: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for key, value in dataset.attrs.items()
    }
    return Label(values_of(dataset), attributes)


def write_known(group: h5py.Group, values: Mapping[str, Any]) -> None:
    """Those of the values that are not None."""
    for name, value in values.items():
        if value is not None:
            group[name] = value


def read_array(file: h5py.File, name: str) -> NDArray | None:
    """A dataset as an array; None where there is none."""
    return values_of(file[name]) if isinstance(file.get(name), h5py.Dataset) else None


def read_rows(path: Path | str, name: str, rows: slice) -> NDArray:
    """Rows of a dataset of a file; ValueError where they are damaged."""
    with open_hdf5(path) as file:
        return values_of(file[name], rows)


def values_of(dataset: h5py.Dataset, rows: slice | tuple[()] = ()) -> Any:
    """Values of a dataset, all of them by default; ValueError where they are damaged."""
    try:
        return dataset[rows]
    except OSError as error:  # which names no file
        raise ValueError(f"{dataset.file.filename} is damaged: {dataset.name} cannot be read ({error})") from error


def read_number(file: h5py.File, name: str, scale: float = 1.0) -> float | None:
    """A number above 0 times `scale`, the mean where the file holds one for every shot; None where there is none."""
    value = np.asarray(read_array(file, name))
    if value.dtype.kind not in "iuf":
        return None
    mean = float(np.mean(value)) * scale if value.size else 0.0
    return mean if np.isfinite(mean) and mean > 0 else None


def find_frames(file: h5py.File, places: Sequence[str], path: Path | str) -> tuple[str, h5py.Dataset]:
    """The first place that holds a dataset, and that; ValueError if there is none, or its values are not all there."""
    groups = []
    for place in places:
        found = look_up(file, place)
        if isinstance(found, h5py.Dataset):
            must_be_frames(found, f"{path}: {place}")
            return place, found
        if isinstance(found, h5py.Group):
            groups.append(f"{place} is a group of {', '.join(found) or 'nothing'}; ")
    held: dict[str, tuple[int, ...]] = {}

    def note(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            held[name] = node.shape or ()

    file.visititems(note)
    raise ValueError(nothing_there(path, places, held, "".join(groups)))


def must_be_frames(dataset: h5py.Dataset, source: str) -> None:
    """ValueError for values that are no real numbers, for none, and where they are not all there."""
    try:
        dtype = dataset.dtype
    except TypeError as error:  # a type that numpy has not
        raise ValueError(
            f"{source} holds values of a type that cannot be read ({error}), expected real numbers"
        ) from error
    must_be_numbers(dtype, source)
    must_be_values(dataset.attrs, source)
    if dataset.shape is None:
        raise ValueError(f"{source} holds no frames: it is empty")
    must_hold_values(dataset, source)


def fill_of(dataset: h5py.Dataset) -> float | None:
    """What a dataset says that it is filled with; None where it says nothing, or 0, which is a count."""
    for name in ("_FillValue", "missing_value"):
        value = np.ravel(dataset.attrs.get(name, ()))
        if value.size == 1 and value.dtype.kind in "iuf":
            return float(value[0]) or None
    properties = dataset.id.get_create_plist()
    if properties.fill_value_defined() != h5py.h5d.FILL_VALUE_USER_DEFINED:
        return None
    return float(dataset.fillvalue) or None


def masks_of(
    file: h5py.File, frames: str, path: Path | str, places: Sequence[str] = (), stored: AsStored | None = None
) -> list[StoredMask]:
    """Every mask beside the frames or in one of these places, once; the one that a table of pixels knows, alone."""
    folder, slash, _ = frames.rpartition("/")
    found: dict[str, h5py.Dataset] = {}
    beside = None if stored is None else stored.mask
    for name in (*(f"{folder}{slash}{mask}" for mask in MASKS), *places) if beside is None else (beside.name,):
        mask = look_up(file, name)
        if name != frames and isinstance(mask, h5py.Dataset) and mask not in found.values():
            must_be_frames(mask, f"{path}: {name}")
            found[name] = mask
    masks = [replace(stored_mask(name, mask, path), beside=beside) for name, mask in found.items()]
    must_be_there(masks, stored, path)
    return masks


def stored_mask(name: str, mask: h5py.Dataset, path: Path | str) -> StoredMask:
    """A mask, read when it is asked for."""
    return StoredMask(name, mask.shape, lambda rows: read_rows(path, name, rows), means_by_place(name, mask.attrs))


def open_hdf5(path: Path | str) -> h5py.File:
    """Open for reading.

    Raises
    ------
    FileNotFoundError; ValueError if it is no HDF5 file, a damaged one, or one that another program writes.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    load_plugins()
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is no HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        said = str(error)
        if "unable to lock" in said or "already open" in said:
            raise ValueError(
                f"{path} is open in a program that writes it, or was when that ended; wait until it is closed, or, if "
                f"nothing writes it any more, run `h5clear -s {path}` ({error})"
            ) from error
        what = "is cut short" if "truncated" in said else "cannot be read as HDF5, it may be damaged"
        raise ValueError(f"{path} {what} ({error})") from error
