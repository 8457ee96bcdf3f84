"""Frames from the files in which beamlines keep them: HDF5 and CXI, Zarr, .npy; block by block, whatever their size.

What reads a format is imported where one is read: .npy needs numpy alone. Nothing is unpickled.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from simulate.formats.patterns import Instrument, Patterns

BYTES_AT_ONCE = 64 * 2**20
"""Of the float32 frames of a block, at most, where a frame is no larger itself."""

DEFAULT_NAMES = ("entry_1/data_1/data", "entry_1/instrument_1/detector_1/data", "photons", "intensities")
"""Where frames are looked for unless a name is given: CXI's places, then skopi's."""

CXI_MASKS = ("entry_1/instrument_1/detector_1/mask", "entry_1/image_1/mask")
"""Where a CXI file has the mask, if it is not beside the frames."""

HDF5_SUFFIXES = (".h5", ".hdf5", ".cxi")

EXPECTED = "expected HDF5 or CXI (.h5, .hdf5, .cxi), a Zarr folder, a folder .../datasets/<name>, or .npy"

Find = Callable[[str], Any]
"""The array of a name in a file, None where there is none."""

Fetch = Callable[[slice], NDArray]
"""Values of the rows of a slice with 0 <= start <= stop <= n."""


@dataclass(frozen=True)
class Frames:
    """n frames, read when they are asked for."""

    source: str
    """file, and the name in it, for messages"""
    shape: tuple[int, int, int]
    """(n, ny, nx)"""
    fetch: Fetch
    bad: Fetch | None = None
    """(rows, ny, nx) or (ny, nx) True where the file's own mask says that a pixel is bad; None where it has no mask"""
    together: int = 1
    """frames that are best read together: a chunk or a shard"""
    instrument: "Instrument | None" = None
    """what the file says of beam and detector; None where it is of a format that says nothing"""

    def __len__(self) -> int:
        return self.shape[0]

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

        ValueError where a pixel that is not masked is no finite number, and where all are masked.
        """
        start, stop, _ = rows.indices(len(self))
        rows = slice(start, stop)
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
            frames = np.array(self.fetch(rows), np.float32)
        if self.bad is not None:
            bad = np.broadcast_to(self.bad(rows), frames.shape)
            if bad.all():
                raise ValueError(
                    f"{self.source}: the mask leaves no pixel of frames {start} to {stop - 1}; it says nonzero where a "
                    "pixel is bad: turn it round if it says where they are good"
                )
            frames[bad] = 0
        if not (finite := np.isfinite(frames).all(axis=(1, 2))).all():
            frame = int(np.argmin(finite))
            raise ValueError(
                f"{self.source}: frame {rows.start + frame} has {int((~np.isfinite(frames[frame])).sum())} pixels that "
                "are no finite numbers and that no mask says to leave out; add a dataset `mask` beside the frames "
                "(nonzero: bad), or set them to 0"
            )
        return frames

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Rows and their frames, block after block."""
        size = self._per_block()
        for start in range(0, len(self), size):
            rows = slice(start, min(start + size, len(self)))
            yield rows, self.read(rows)


def open_frames(path: Path | str, name: str | None = None) -> Frames:
    """The frames of a file or folder; nothing but their shape and a mask is read yet.

    Parameters
    ----------
    name : of the array in an HDF5 file or a Zarr group; by default the first of `DEFAULT_NAMES` that is there.

    Raises
    ------
    FileNotFoundError    there is no such file or folder.
    ModuleNotFoundError  what reads its format (h5py, zarr) is not installed.
    ValueError           it is none of these, is damaged, or holds no frames (n, ny, nx) of real numbers.
    DamagedDatasetError  it is one of our datasets, and not complete.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; {EXPECTED}")
    if path.is_dir():
        dataset = path.parent if path.name == "patterns.zarr" and name is None else path
        return _of_dataset(dataset, name) if (dataset / "layout.json").exists() else _of_zarr(path, name)
    if path.suffix == ".npy":
        return _of_npy(path, name)
    if path.suffix in HDF5_SUFFIXES:
        return _of_hdf5(path, name)
    raise ValueError(f"{path} is of no known format; {EXPECTED}")


def _of_npy(path: Path, name: str | None) -> Frames:
    if name is not None:
        raise ValueError(f"{path} is one array and has no dataset {name!r}; leave the name out")
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # unlike np.load it knows no pickles
    except ValueError as error:
        raise ValueError(f"{path} is no .npy file of numbers, or is damaged ({error})") from error
    return Frames(str(path), _shape_of(array, str(path)), array.__getitem__)


def _of_dataset(folder: Path, name: str | None) -> Frames:
    """As the detector reads them, with the noise of the readout."""
    from simulate.dataset import open_dataset
    from simulate.formats.patterns import Instrument
    from simulate.geometry import Geometry

    if name is not None:
        raise ValueError(f"{folder} is a dataset of patterns and has none called {name!r}; leave the name out")
    dataset = open_dataset(folder)
    geometry = folder / "geometry.npz"
    instrument = Instrument.of(Geometry.load(geometry)) if geometry.exists() else None
    return Frames(str(folder), dataset.shape, dataset.read, together=dataset.patterns_per_shard, instrument=instrument)


def _of_zarr(path: Path, name: str | None) -> Frames:
    import zarr

    try:
        node: Any = zarr.open(path, mode="r")
    except (ValueError, FileNotFoundError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is a folder, but no Zarr array or group of numbers and no dataset ({error})"
        ) from error
    stack: Any
    mask: Any
    if isinstance(node, zarr.Array):
        if name is not None:
            raise ValueError(f"{path} is one array and has no dataset {name!r}; leave the name out")
        stack, source, mask = node, str(path), None
    else:
        held = {key: found for key, found in node.members(max_depth=None) if isinstance(found, zarr.Array)}
        chosen = _chosen(name, held.get, held, path)
        mask_name = _mask_name(chosen, held.get)
        stack, source, mask = held[chosen], f"{path}: {chosen}", None if mask_name is None else held[mask_name]
    for array in (stack, mask):
        _must_not_unpickle(array, path)
    shape = _shape_of(stack, source)
    bad = None if mask is None else _bad(mask, shape, source, mask.__getitem__)
    return Frames(source, shape, stack.__getitem__, bad, (stack.shards or stack.chunks)[0])


def _must_not_unpickle(array: Any, path: Path) -> None:
    """ValueError for an array of Zarr 2 whose bytes would be unpickled, which can run any code."""
    codecs = () if array is None else (*array.filters, *array.compressors)
    if any(getattr(codec, "codec_id", None) == "pickle" for codec in codecs):
        raise ValueError(f"{path} is stored as pickles, which can run any code and are not read; store plain numbers")


def _of_hdf5(path: Path, name: str | None) -> Frames:
    import h5py

    from simulate.formats.cxi import read_cxi
    from simulate.formats.hdf5 import open_hdf5, read_rows
    from simulate.formats.skopi_h5 import QUANTITIES, read_skopi

    def find(key: str) -> Any:
        return found if isinstance(found := file.get(key), h5py.Dataset) else None

    with open_hdf5(path) as file:
        chosen = _chosen(name, find, _stacks(file), path)
        stack, mask_name, source = find(chosen), _mask_name(chosen, find), f"{path}: {chosen}"
        if stack.ndim == 4 and chosen == next((key for key in QUANTITIES if key in file), None):
            return _of_patterns(read_skopi(path), source)
        shape = _shape_of(stack, source)
        bad = None
        if mask_name is not None:
            bad = _bad(find(mask_name), shape, source, lambda rows: read_rows(path, mask_name, rows))
        together = 1 if stack.chunks is None else stack.chunks[0]
        instrument = read_cxi(path).instrument if "cxi_version" in file and chosen in DEFAULT_NAMES[:2] else None
        return Frames(source, shape, lambda rows: read_rows(path, chosen, rows), bad, together, instrument)


def _stacks(file: Any) -> dict[str, Any]:
    """Every dataset of an HDF5 file by its name; links are not followed."""
    found: dict[str, Any] = {}
    file.visititems(lambda key, node: found.update({key: node}) if hasattr(node, "shape") else None)
    return found


def _of_patterns(patterns: "Patterns", source: str) -> Frames:
    """Panels put together, the gaps between them masked."""
    mask = patterns.instrument.mask
    bad = None if mask is None else lambda _: mask
    return Frames(source, patterns.shape, patterns.fetch, bad, instrument=patterns.instrument)


def _chosen(name: str | None, find: Find, held: Mapping[str, Any], path: Path) -> str:
    """The name of the frames; ValueError lists the arrays held that could be meant."""
    wanted = DEFAULT_NAMES if name is None else (name.strip("/"),)
    for candidate in wanted:
        if find(candidate) is not None:
            return candidate
    stacks = [f"{key} {tuple(array.shape)}" for key, array in held.items() if len(array.shape) == 3]
    raise ValueError(
        f"{path} has no dataset {' or '.join(wanted)}; its arrays of three dimensions: "
        f"{', '.join(stacks[:20]) or 'none'}; name the one that holds the frames (n, ny, nx)"
    )


def _mask_name(chosen: str, find: Find) -> str | None:
    """Of the mask beside the frames, or in CXI's places; None where there is none."""
    folder, slash, _ = chosen.rpartition("/")
    places = (f"{folder}{slash}mask", *(CXI_MASKS if chosen in DEFAULT_NAMES[:2] else ()))
    return next((place for place in places if place != chosen and find(place) is not None), None)


def _bad(mask: Any, shape: tuple[int, int, int], source: str, fetch: Fetch) -> Fetch:
    """What of each frame is bad, by a mask (ny, nx) or (n, ny, nx)."""
    from simulate.formats.cxi import unusable

    if mask.shape == shape:
        return lambda rows: unusable(np.asarray(fetch(rows)))
    if mask.shape != shape[1:]:
        raise ValueError(
            f"{source}: frames {shape} and their mask {tuple(mask.shape)} do not agree; expected {shape[1:]}"
        )
    bad = unusable(np.asarray(fetch(slice(None))))
    return lambda _: bad


def _shape_of(array: Any, source: str) -> tuple[int, int, int]:
    """(n, ny, nx); ValueError for other arrays, for none, and for what are no real numbers."""
    if np.dtype(array.dtype).kind not in "biuf":
        raise ValueError(f"{source} holds {array.dtype} values, expected real numbers")
    if len(array.shape) != 3 or 0 in array.shape:
        raise ValueError(
            f"{source} has shape {tuple(array.shape)}, expected frames (n, ny, nx): put the panels of a detector "
            "together first, and write a single frame as (1, ny, nx)"
        )
    n, ny, nx = (int(length) for length in array.shape)
    return n, ny, nx
