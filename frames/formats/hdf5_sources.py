"""Whether an HDF5 dataset holds what it says. HDF5 itself gives fill values, and no error, for chunks that were never
written, and for the sources of a virtual dataset that are gone."""

import contextlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from frames.formats.checks import in_words

FILTERS = {
    305: "LZO",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32024: "SZ3",
    32026: "Blosc2",
}
"""Compression that HDF5 leaves to plug-ins, by its registered number."""


Sources = frozenset[tuple[str, str]]
"""Files and names of datasets"""

Needed = tuple[tuple[int, ...] | None, int]
"""Of a source: indices of the last values that are asked for, where known, and how many values at least"""


def load_plugins() -> None:
    """Let HDF5 decompress what it cannot by itself, where hdf5plugin is installed."""
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401


def look_up(file: h5py.File, name: str) -> Any:
    """The dataset or group of a name, through links; None where there is no such name.

    ValueError for a link to what is not there, which says where it leads.
    """
    node: Any = file
    for depth, part in enumerate(parts := [part for part in name.split("/") if part], 1):
        if not isinstance(node, h5py.Group) or part not in node:
            return None
        link = node.get(part, getlink=True)
        try:
            node = node[part]
        except (KeyError, OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise ValueError(_dangling(node.file.filename, "/".join(parts[:depth]), link, error)) from error
    return node


def _dangling(path: str, name: str, link: Any, error: Exception) -> str:
    if isinstance(link, h5py.ExternalLink):
        target = f"{link.path} of the file {link.filename}"
        where = found_at(link.filename, path, "HDF5_EXT_PREFIX")
        what = (
            "which is not there; put that file beside this one" if where is None else f"which cannot be read: {error}"
        )
    elif isinstance(link, h5py.SoftLink):
        target, what = link.path, "which is not there; the file was written or copied only in part"
    else:
        return f"{path} is damaged: {name} cannot be read ({error})"
    return f"{path}: {name} is a link to {target}, {what}"


def found_at(name: str, path: str, prefixes: str) -> Path | None:
    """Where HDF5 finds a file that the file `path` names, by its rules; None where it does not.

    Parameters
    ----------
    prefixes : name of the variable of the environment that holds folders to look in.
    """
    folder = Path(path).parent
    short = os.path.basename(name) if os.path.isabs(name) else name
    places = [Path(name)] if os.path.isabs(name) else []
    places += [Path(prefix.replace("${ORIGIN}", str(folder))) / short for prefix in _folders(prefixes)]
    places += [folder / short, Path(short), Path(path).resolve().parent / short]
    return next((place for place in places if place.is_file()), None)


def _folders(variable: str) -> list[str]:
    return [folder for folder in os.environ.get(variable, "").split(os.pathsep) if folder]


def must_hold_values(dataset: h5py.Dataset, where: str, of: Sources = frozenset()) -> None:
    """ValueError where reading the dataset would fail or give fill values: says what is missing, and which frames.

    Parameters
    ----------
    where : file and name by which it was asked for, for messages.
    of :    file and name of the virtual datasets that it is a source of.
    """
    properties = dataset.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            called = FILTERS.get(code) or name.decode(errors="replace").partition(";")[0] or "unknown"
            raise ValueError(
                f"{where} is compressed by a filter that is not installed: {called} (number {code}); "
                "pip install hdf5plugin"
            )
    if dataset.is_virtual:
        itself = os.path.realpath(dataset.file.filename), dataset.name
        if itself in of:
            raise ValueError(f"{where} is a virtual dataset of itself; write its values out")
        _must_have_sources(dataset, where, of | {itself})
    elif dataset.external:
        _must_have_external(dataset, where)
    elif dataset.chunks is not None:
        _must_have_chunks(dataset, where)
    elif dataset.size and dataset.id.get_storage_size() == 0 and dataset.shape is not None:
        raise ValueError(f"{where} was never written: {in_words(range(len(dataset)))} would read {dataset.fillvalue}")


def _must_have_chunks(dataset: h5py.Dataset, where: str) -> None:
    grid = [-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    if not dataset.size or dataset.id.get_num_chunks() >= math.prod(grid):
        return
    written = np.zeros(grid[0], np.int64)

    def count(chunk: Any) -> None:
        written[chunk.chunk_offset[0] // dataset.chunks[0]] += 1

    dataset.id.chunk_iter(count)
    long = dataset.chunks[0]
    rows = (row for at in np.flatnonzero(written < math.prod(grid[1:])) for row in range(at * long, (at + 1) * long))
    missing = in_words(row for row in rows if row < len(dataset))
    raise ValueError(
        f"{where}: {missing} were never written, in all or in part, and would read {dataset.fillvalue}; copy what is "
        "there to a file of its own, or write the rest"
    )


def _must_have_external(dataset: h5py.Dataset, where: str) -> None:
    for name, offset, size in dataset.external:
        name = os.fsdecode(name)
        prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", str(Path(dataset.file.filename).parent))
        path = Path(prefix) / name if prefix and not os.path.isabs(name) else Path(name)
        if not path.is_file():
            raise ValueError(f"{where} keeps its values in the file {name}, which is not there; put it at {path}")
        needed = offset + (size if size != h5py.h5f.UNLIMITED else dataset.size * dataset.dtype.itemsize)
        if path.stat().st_size < min(needed, offset + dataset.size * dataset.dtype.itemsize):
            raise ValueError(f"{where} keeps its values in the file {name}, which is cut short; copy it again")


def _must_have_sources(dataset: h5py.Dataset, where: str, of: Sources) -> None:
    """Every file and dataset that a virtual one is made of, and that these fill it."""
    path = dataset.file.filename
    sources = dataset.virtual_sources()
    held = np.zeros(dataset.shape[0] if dataset.shape else 0, np.int64)
    checked: set[tuple[str, str]] = set()
    for source in sources:
        needed = _needed(source)
        for name, inside in _blocks(source, dataset.shape, path, where):
            if (name, inside) not in checked:
                _must_be_there(name, inside, needed, path, where, of)
                checked.add((name, inside))
        rows, each = _selected(source.vspace, dataset.shape)
        held[rows] += each
    if (empty := np.flatnonzero(held < math.prod(dataset.shape[1:]))).size:
        raise ValueError(
            f"{where} is a virtual dataset without a source for {in_words(empty)}, in all or in part; they would read "
            f"{dataset.fillvalue}"
        )


def _must_be_there(
    name: str,
    inside: str,
    needed: tuple[tuple[int, ...] | None, int],
    path: str,
    where: str,
    of: frozenset[tuple[str, str]],
) -> None:
    gone = f"{where} is a virtual dataset of {inside} of the file {name}"
    file = Path(path) if name == "." else found_at(name, path, "HDF5_VDS_PREFIX")
    if file is None:
        raise ValueError(f"{gone}, which is not there; put that file beside this one")
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise ValueError(f"{gone}, which cannot be read ({error})") from error
    with opened:
        source = look_up(opened, inside)
        if not isinstance(source, h5py.Dataset):
            raise ValueError(f"{gone}, which has no such dataset")
        last, least = needed
        if source.size < least or (last is not None and any(np.array(last) >= source.shape)):
            raise ValueError(
                f"{gone}, whose shape is {source.shape}, less than is asked of it; what is not there would read as a "
                "fill value: copy that file again"
            )
        must_hold_values(source, f"{gone}, which", of)


def _blocks(source: Any, shape: tuple[int, ...], path: str, where: str) -> Iterator[tuple[str, str]]:
    """File and dataset of each part of a source; one whose names hold %b has one of each number from 0."""
    names = source.file_name, source.dset_name
    if not any(re.search(r"(?<!%)%b", name) for name in names):
        yield names[0].replace("%%", "%"), names[1].replace("%%", "%")
        return
    start, stride, count, _ = source.vspace.get_regular_hyperslab()
    axis = next((axis for axis, times in enumerate(count) if times == h5py.h5s.UNLIMITED), 0)
    there = max(1, -(-(shape[axis] - start[axis]) // stride[axis]))

    def numbered(at: int) -> tuple[str, str]:
        file, inside = (name.replace("%b", str(at)).replace("%%", "%") for name in names)
        return file, inside

    for at in range(there):
        yield numbered(at)
    # HDF5 ends the dataset at the first that is missing, however many come after it.
    if "%b" in names[0] and (later := _later(Path(path).parent, names[0], there)):
        raise ValueError(
            f"{where} is a virtual dataset of the files {names[0]}, of which {numbered(there)[0]} is not there, but "
            f"{later} is; put it beside them"
        )


def _later(folder: Path, name: str, there: int) -> str | None:
    """A file of a numbered name whose number is not below `there`."""
    pattern = re.compile(re.escape(os.path.basename(name)).replace("%b", r"(\d+)"))
    beside = folder / os.path.dirname(name)
    matches = (pattern.fullmatch(file) for file in sorted(os.listdir(beside)) if beside.is_dir())
    return next((match[0] for match in matches if match and int(match[1]) >= there), None)


def _needed(source: Any) -> Needed:
    space = source.src_space
    last: tuple[int, ...] | None = None
    if space.get_select_type() != h5py.h5s.SEL_ALL:
        with contextlib.suppress(RuntimeError):  # as many as there are
            last = tuple(int(end) for end in space.get_select_bounds()[1])
    try:
        return last, int(source.vspace.get_select_npoints())
    except RuntimeError:
        block = source.vspace.get_regular_hyperslab()[3]
        return last, math.prod(size for size in block if size != h5py.h5s.UNLIMITED)


def _selected(space: h5py.h5s.SpaceID, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
    """Rows of a virtual dataset that a source fills, and how many values of each."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return np.arange(shape[0]), math.prod(shape[1:])
    try:
        start, stride, count, block = space.get_regular_hyperslab()
    except (RuntimeError, ValueError):
        first, last = space.get_select_bounds()
        rows = np.arange(first[0], last[0] + 1)
        return rows, -(-int(space.get_select_npoints()) // len(rows))
    filled = []  # along each axis
    for length, first, step, times, size in zip(shape, start, stride, count, block, strict=True):
        starts = first + step * np.arange(min(times, -(-(length - first) // step)))
        at = (starts[:, None] + np.arange(min(size, length))).ravel()
        filled.append(at[at < length])
    return filled[0], math.prod(map(len, filled[1:]))
