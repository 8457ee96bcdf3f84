"""CXI in the layout of spi-em-class and spi-processing: entry_1/image_k/{data, mask, image_center}, k from 1.

    entry_1/image_k/data          (n, ny, nx), or (ny, nx) where a group holds one image
    entry_1/image_k/mask          (ny, nx), not 0 where a pixel is unusable
    entry_1/image_k/image_center  x, y, z of the beam [pixels], 0 the middle of the first pixel; z is not used
    entry_1/instrument_1          beam and detector as in other CXI, where a file has them

spi-processing makes a group of each mask and centre, so these may differ between groups, and images may not. Frames are
numbered from 0 through the groups in the order of k; those programs go through them in the order of their names, where
image_10 comes before image_2, and what they write lies inside of each group.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import constants

from frames.files import atomic_path
from frames.formats.checks import must_be_numbers
from frames.formats.hdf5 import fill_of, open_hdf5, read_array, read_number, values_of
from frames.formats.hdf5_sources import look_up, must_hold_values
from frames.formats.masks import MaskMeans, bad_pixels, means_by_place
from frames.frames import Frames, Instrument

ENTRY = "entry_1"
GROUP = re.compile(r"image_(\d+)")
MEANS: MaskMeans = "bad"
"""What a mask of this layout means where nothing says otherwise: these programs use the pixels where it is 0."""


@dataclass(frozen=True)
class Group:
    """One group of images."""

    name: str
    """entry_1/image_k"""
    first: int
    """number of its first frame in the file"""
    n: int
    """frames"""
    mask: NDArray[np.bool_] | None
    """(ny, nx) True where unusable; None where the group has none"""
    centre: tuple[float, float] | None
    """x, y of the beam [pixels]; None where the group has none"""


def has_images(file: h5py.File) -> bool:
    """Whether a file is of this layout: data of image_1 that are, or are not also, those of data_1.

    spi-processing links data_k to image_k as a whole; where data_1 is a group of its own, the file is another's CXI.
    """
    names = [name for name in _names(file) if "data" in file[name]]
    others = file.get(f"{ENTRY}/data_1")
    return bool(names) and (others is None or others == file[names[0]])


def _names(file: h5py.File) -> list[str]:
    """Groups of images, in the order of their numbers."""
    entry = file.get(ENTRY)
    if not isinstance(entry, h5py.Group):
        return []
    found = sorted((int(match[1]), name) for name in entry if (match := GROUP.fullmatch(name)))
    return [f"{ENTRY}/{name}" for _, name in found if isinstance(entry.get(name), h5py.Group)]


def read_groups(path: Path | str, mask_means: MaskMeans | None = None) -> list[Group]:
    """The groups of a file, their masks and centres; frames are not read.

    Raises
    ------
    FileNotFoundError; ValueError naming file and group for data that are no images of the first group's size, or are
    not all there, a mask of another size and a centre that is no place.
    """
    groups: list[Group] = []
    with open_hdf5(path) as file:
        first, of = 0, ""
        pixels: tuple[int, ...] = ()
        for name in _names(file):
            data = look_up(file, f"{name}/data")
            if not isinstance(data, h5py.Dataset):
                raise ValueError(f"{path}: {name} has no dataset data; expected frames (n, ny, nx); remove the group")
            n, size = _size(data, f"{path}: {name}/data")
            if pixels and size != pixels:
                raise ValueError(
                    f"{path}: images of {name} are {size} pixels, those of {of} {pixels}; expected one size: write "
                    "each to a file of its own"
                )
            pixels, of = size, of or name
            mask = _mask(file, name, size, mask_means, path)
            before = groups[-1].mask if groups else None
            if mask is not None and before is not None and np.array_equal(before, mask):
                mask = before  # held once: there may be a group for each image
            groups.append(Group(name, first, n, mask, _centre(file, name, path)))
            first += n
    if not groups:
        raise ValueError(f"{path} has no {ENTRY}/image_1; expected groups of data, mask and image_center")
    return groups


def _size(data: h5py.Dataset, source: str) -> tuple[int, tuple[int, int]]:
    """How many images, and of which (ny, nx)."""
    must_be_numbers(data.dtype, source)
    if data.ndim not in (2, 3) or 0 in data.shape:
        raise ValueError(f"{source} is {data.shape}, expected frames (n, ny, nx) or one of (ny, nx)")
    must_hold_values(data, source)
    return (1 if data.ndim == 2 else data.shape[0]), (data.shape[-2], data.shape[-1])


def _mask(
    file: h5py.File, name: str, size: tuple[int, int], asked: MaskMeans | None, path: Path | str
) -> NDArray[np.bool_] | None:
    stored = look_up(file, f"{name}/mask")
    if stored is None:
        return None
    if not isinstance(stored, h5py.Dataset) or stored.shape != size:
        raise ValueError(f"{path}: {name}/mask is {np.shape(stored)}, but its images are {size}; expected one size")
    said = means_by_place("mask", stored.attrs)
    means: MaskMeans = asked or (said if said in ("bad", "good", "cxi") else MEANS)  # type: ignore[assignment]
    return bad_pixels(values_of(stored), means)


def _centre(file: h5py.File, name: str, path: Path | str) -> tuple[float, float] | None:
    value = read_array(file, f"{name}/image_center")
    if value is None:
        return None
    place = np.ravel(np.asarray(value))
    if place.size not in (2, 3) or place.dtype.kind not in "iuf" or not np.isfinite(place[:2]).all():
        raise ValueError(f"{path}: {name}/image_center is {place.tolist()}, expected x, y, z of the beam [pixels]")
    # singlehit's own export counts from the corner of the first pixel, as CXI does
    ours = read_array(file, f"{ENTRY}/program_name") == b"singlehit"
    x, y = (float(at) - (0.5 if ours else 0.0) for at in place[:2])
    return x, y


def centre_beside(path: Path | str, name: str) -> tuple[float, float] | None:
    """x, y of the beam [pixels] that lies beside a dataset of a file as image_center; None where there is none."""
    with open_hdf5(path) as file:
        return _centre(file, name.strip("/").rpartition("/")[0] or "/", path)


def read_images(path: Path | str, mask_means: MaskMeans | None = None) -> Frames:
    """The frames of all groups, each with its group's mask. Errors as `read_groups` says."""
    groups = read_groups(path, mask_means)
    with open_hdf5(path) as file:
        stored = [file[f"{group.name}/data"] for group in groups]
        shape = (sum(group.n for group in groups), *stored[0].shape[-2:])
        dtype = np.result_type(*(data.dtype for data in stored))
        fills = {fill_of(data) for data in stored}
        instrument = Instrument(
            photon_energy_eV=read_number(file, f"{ENTRY}/instrument_1/source_1/energy", 1 / constants.eV),
            pixel_size_um=read_number(file, f"{ENTRY}/instrument_1/detector_1/x_pixel_size", 1e6),
            distance_mm=read_number(file, f"{ENTRY}/instrument_1/detector_1/distance", 1e3),
        )
        per_chunk = max(1 if data.ndim == 2 or data.chunks is None else data.chunks[0] for data in stored)

    def fetch(rows: slice) -> NDArray:
        parts = [np.empty((0, *shape[1:]), dtype)]
        with open_hdf5(path) as file:
            for group in groups[_of(groups, rows.start) : _of(groups, max(rows.start, rows.stop - 1)) + 1]:
                here = slice(max(rows.start - group.first, 0), min(rows.stop - group.first, group.n))
                if here.start < here.stop:
                    parts.append(_read(file[f"{group.name}/data"], here, group.first, path))
        return np.concatenate(parts).astype(dtype, copy=False)

    none = np.zeros(shape[1:], bool)
    masks = [none if group.mask is None else group.mask for group in groups]
    same = all(mask is masks[0] or np.array_equal(mask, masks[0]) for mask in masks)

    def of_rows(rows: slice) -> NDArray[np.bool_]:
        return np.stack([masks[_of(groups, row)] for row in range(rows.start, rows.stop)])

    fixed = masks[0] if same and any(group.mask is not None for group in groups) else None
    return Frames(
        name=Path(path).stem,
        shape=shape,
        dtype=dtype,
        quantity="photons" if np.issubdtype(dtype, np.integer) else "reading",
        fetch=fetch,
        instrument=replace(instrument, mask=fixed),
        together=per_chunk,
        bad=None if same else of_rows,
        mask_said="" if fixed is None and same else f"mask of each {ENTRY}/image_k: not 0 is bad",
        source=f"{path}: {groups[0].name}/data" + (f" to {groups[-1].name}/data" if len(groups) > 1 else ""),
        fill=fills.pop() if len(fills) == 1 else None,
    )


def _read(data: h5py.Dataset, here: slice, first: int, path: Path | str) -> NDArray:
    """Frames of one group; ValueError naming the first of them that is damaged, by its number in the file."""
    if data.ndim == 2:
        return np.asarray(values_of(data))[None]
    try:
        return np.asarray(data[here])
    except OSError as error:
        for row in range(here.start, here.stop):
            try:
                data[row]
            except OSError as problem:
                raise ValueError(
                    f"{path} is damaged: frame {first + row} ({data.name}, {row}) cannot be read ({problem}); copy the "
                    "file again, or leave the frame out"
                ) from error
        raise


def _of(groups: Sequence[Group], row: int) -> int:
    """Which group a frame belongs to."""
    return bisect_right(groups, row, key=lambda group: group.first) - 1


def write_images(
    path: Path | str,
    blocks: Iterable[tuple[slice, NDArray]],
    shape: tuple[int, int, int],
    mask: NDArray[np.bool_],
    centre: tuple[float, float],
    beside: Mapping[str, Any],
) -> None:
    """Frames as spi-em-class reads them, in one group, atomically.

    Parameters
    ----------
    blocks : iterable of (rows, frames (rows, ny, nx)), together all of `shape` (n, ny, nx).
    mask :   (ny, nx) True where unusable.
    centre : x, y of the beam [pixels], 0 the middle of the first pixel.
    beside : other datasets of the group, as `frame`, the number of each frame in the file that it is from.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["cxi_version"] = 160
        image = file.create_group(f"{ENTRY}/image_1")
        how: dict[str, Any] = {"chunks": (1, *shape[1:]), "compression": "gzip"} if shape[0] else {}
        data = image.create_dataset("data", shape, np.float32, **how)
        for rows, frames in blocks:
            data[rows] = frames
        image["mask"] = mask.astype(np.int32)
        image["image_center"] = np.array([*centre, 0.0])
        for name, values in beside.items():
            image[name] = values
