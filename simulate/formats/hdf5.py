"""What the HDF5 formats share: images streamed into a dataset, labels, and values that may be absent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from simulate.formats.patterns import Label, Patterns, stream

CHUNK_BYTES = 2**19


def write_images(group: h5py.Group, name: str, patterns: Patterns, *, panels: bool = False) -> h5py.Dataset:
    """Stream all images into a new dataset (n, ny, nx), or (n, 1, ny, nx) with an axis of panels."""
    n, ny, nx = patterns.shape
    image = (1, ny, nx) if panels else (ny, nx)
    per_chunk = max(1, min(n, CHUNK_BYTES // (ny * nx * np.dtype(patterns.dtype).itemsize)))
    dataset = group.create_dataset(
        name,
        shape=(n, *image),
        dtype=patterns.dtype,
        chunks=(per_chunk, *image),
        compression="gzip",  # the one that every build of HDF5 has
        compression_opts=1,
        shuffle=True,
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


def read_labels(group: h5py.Group | None) -> dict[str, Label]:
    """What `write_labels` wrote; nothing where there is no such group."""
    return {} if group is None else {name: read_label(group[name]) for name in group}


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
    return values_of(file[name]) if name in file else None


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
    """A number times `scale`, the mean where the file holds one for every shot; None where there is none."""
    value = read_array(file, name)
    return None if value is None else float(np.mean(value)) * scale


def open_hdf5(path: Path | str) -> h5py.File:
    """Open for reading.

    Raises
    ------
    FileNotFoundError; ValueError if it is no HDF5 file, or a damaged one.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is no HDF5 file")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path} cannot be read as HDF5, it may be damaged ({error})") from error
