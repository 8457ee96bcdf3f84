"""CXIDB-76, 2,000 frames each of five experiments with labels of experts (Ke et al. 2018, J. Synchrotron Rad. 25, 655).

Files `idh5_v1.0`: `metadata` holds numbers and words of the whole file, as datasets or attributes; each group of `data`
is a chunk with `images` (n, ny, nx), `distance`, `wavelength` and `timestamp`. A frame's number counts through the
chunks as h5py orders their keys, from 1 in files of labels and from 0 here.
"""

import bisect
import io
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.files import DAMAGED
from frames.formats.hdf5 import open_hdf5
from frames.frames import Frames, Instrument
from frames.store.hits import HIT_CLASSES

VERSION = "idh5_v1.0"


class DepositedSet(NamedTuple):
    """Where a set lies below a folder of all."""

    images: str
    expert: str
    dials: str

    @property
    def files(self) -> tuple[str, ...]:
        """All that has to be there."""
        return tuple(self)


SETS = {
    name: DepositedSet(f"{name.lower()}/{run}_2000.h5", f"{name}_expert.txt", f"{name}_dials.txt")
    for name, run in (("LN83", "r0018"), ("LN84", "r0095"), ("LO19", "r0020"), ("LG36", "r0087"), ("L498", "r0027"))
}
"""What was deposited, and the labels of github.com/nksauter/fv5080 beside it."""


@dataclass(frozen=True)
class Chunks:
    """Frames as they lie in a file."""

    names: tuple[str, ...]
    ends: tuple[int, ...]
    """Number of the first frame behind each chunk."""


def is_idh5(file: h5py.File) -> bool:
    """Whether a file says that it is one, of any version."""
    return "metadata" in file and str(_metadata(file).get("idh5_version", "")).startswith("idh5")


def read_idh5(path: Path | str) -> Frames:
    """The frames of a file, read later; what is below its smallest trusted value is bad.

    Raises
    ------
    FileNotFoundError; ValueError for another version, a file without frames, or chunks of frames of other sizes.
    """
    with open_hdf5(path) as file:
        if not is_idh5(file):
            raise ValueError(f"{path} is no idh5 file: it has no metadata/idh5_version; expected {VERSION}")
        said = _metadata(file)
        if said["idh5_version"] != VERSION:
            raise ValueError(f"{path} is of version {said['idh5_version']!r}, expected {VERSION!r}")
        names = [name for name in file.get("data", {}) if "images" in file["data"][name]]
        if not names:
            raise ValueError(f"{path} holds no frames: expected data/<chunk>/images (n, ny, nx)")
        shapes = [file["data"][name]["images"].shape for name in names]
        dtype = file["data"][names[0]]["images"].dtype
        for name, shape in zip(names, shapes, strict=True):
            if len(shape) != 3 or shape[1:] != shapes[0][1:]:
                raise ValueError(f"{path}: data/{name}/images is {shape}, expected (n, {shapes[0][1]}, {shapes[0][2]})")
        lengths = {name: _first(file["data"][name], "wavelength") for name in names}
        distance = _first(file["data"][names[0]], "distance")
    chunks = Chunks(tuple(names), tuple(np.cumsum([shape[0] for shape in shapes]).tolist()))
    lowest = said.get("MIN_TRUSTED_VALUE")
    pixel = said.get("PIXEL_SIZE")
    wavelength = next((value for value in lengths.values() if value), None)

    def fetch(rows: slice) -> NDArray:
        return _fetch(path, chunks, rows)

    return Frames(
        name=Path(path).stem,
        shape=(chunks.ends[-1], *shapes[0][1:]),
        dtype=dtype,
        quantity="reading",
        fetch=fetch,
        instrument=Instrument(
            photon_energy_eV=None if not wavelength else 12398.419843320026 / wavelength,
            pixel_size_um=None if pixel is None else 1e3 * float(pixel),
            distance_mm=distance,
        ),
        bad=None if lowest is None else lambda rows: fetch(rows) < float(lowest),
        source=str(path),
    )


def _fetch(path: Path | str, chunks: Chunks, rows: slice) -> NDArray:
    parts = []
    with open_hdf5(path) as file:
        at = rows.start
        while at < rows.stop:
            chunk = bisect.bisect_right(chunks.ends, at)
            first = chunks.ends[chunk - 1] if chunk else 0
            stop = min(rows.stop, chunks.ends[chunk])
            try:
                parts.append(file["data"][chunks.names[chunk]]["images"][at - first : stop - first])
            except DAMAGED as error:
                raise ValueError(f"{path}: frames {at} to {stop - 1} cannot be read ({error})") from error
            at = stop
    return np.concatenate(parts)


def _metadata(file: h5py.File) -> dict[str, Any]:
    group = file["metadata"]
    found = dict(group.attrs)
    if isinstance(group, h5py.Group):
        found |= {name: value[()] for name, value in group.items() if isinstance(value, h5py.Dataset)}
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def _first(chunk: h5py.Group, name: str) -> float | None:
    if name not in chunk:
        return None
    values = np.asarray(chunk[name][()], float).reshape(-1)
    return float(values[0]) if len(values) and np.isfinite(values[0]) else None


def read_expert(path: Path | str, n_frames: int | None = None) -> NDArray[np.int64]:
    """(n,) index into HIT_CLASSES of every frame, from lines `<file> [<number>] HIT|MAYBE|MISS`.

    ValueError naming the line that is none, or where numbers are not 1 to n, each once; n is `n_frames` if given.
    """
    found: dict[int, int] = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"\S+ \[(\d+)\] (HIT|MAYBE|MISS)\s*", line)
        if match is None:
            raise ValueError(f"{path}, line {number}: {line!r}, expected '<file> [<number>] HIT', MAYBE or MISS")
        if int(match[1]) in found:
            raise ValueError(f"{path}, line {number}: frame {match[1]} is there twice")
        found[int(match[1])] = HIT_CLASSES.index(match[2].lower())
    n = n_frames or len(found)
    if set(found) != set(range(1, n + 1)):
        raise ValueError(
            f"{path} has labels of {len(found)} frames up to {max(found, default=0)}, expected 1 to {n}; "
            "are they another file's?"
        )
    return np.array([found[i] for i in range(1, n + 1)])


def read_dials(path: Path | str, n_frames: int) -> pd.DataFrame:
    """What DIALS found, a row for each frame: `n_spots`, and `hit`, from lines `<number> <spots> Hit|Miss`.

    Frames that are not there have no spots. ValueError naming the line that is none, or a frame beyond `n_frames`.
    """
    n_spots, hit = np.zeros(n_frames, np.int64), np.zeros(n_frames, bool)
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*(\d+)\s+(\d+)\s+(Hit|Miss)\s*", line)
        if match is None or not 1 <= int(match[1]) <= n_frames:
            raise ValueError(f"{path}, line {number}: {line!r}, expected '<1 to {n_frames}> <spots> Hit' or Miss")
        n_spots[int(match[1]) - 1], hit[int(match[1]) - 1] = int(match[2]), match[3] == "Hit"
    return pd.DataFrame({"n_spots": n_spots, "hit": hit})


class _Grid:
    """cctbx's flex.grid: sizes along its axes."""

    def __init__(self, *args: Any):
        tuples = [tuple(map(int, value)) for value in args if isinstance(value, tuple)]
        self.shape = (
            tuples[0] if len(tuples) == 1 else tuple(b - a for a, b in zip(*tuples[:2], strict=True)) if tuples else ()
        )

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a flex.grid has no state")


class _Flags:
    """cctbx's flex.bool: a grid, and its number of values before the values, each a 0 or 1 as a letter."""

    def __init__(self) -> None:
        self.values = np.empty(0, bool)

    def __setstate__(self, state: Any) -> None:
        grid, data = state
        if not isinstance(grid, _Grid) or not isinstance(data, (str, bytes)):
            raise pickle.UnpicklingError("expected a flex.grid and its values")
        raw = np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, np.uint8)
        n = int(np.prod(grid.shape))
        if len(raw) < n or not np.isin(raw[len(raw) - n :], (48, 49)).all():
            raise pickle.UnpicklingError(f"{len(raw)} bytes are no {n} flags")
        self.values = (raw[len(raw) - n :] == 49).reshape(grid.shape)


KNOWN = {
    (module, name): kind
    for module in ("scitbx_array_family_flex_ext", "scitbx.array_family.flex")
    for name, kind in (("bool", _Flags), ("grid", _Grid))
}


class _FlexOnly(pickle.Unpickler):
    """Unpickles tuples and lists of flex.bool, and refuses whatever else a pickle may ask for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, and nothing but flex.bool and flex.grid is read"
            )
        return KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside")


def read_mask(path: Path | str) -> list[NDArray[np.bool_]]:
    """Masks of cctbx, True where a pixel is good, one for each panel; no other class of a pickle is ever looked up.

    FileNotFoundError; ValueError for a pickle of anything else.
    """
    try:
        found = _FlexOnly(io.BytesIO(Path(path).read_bytes()), encoding="latin1").load()
    except (AttributeError, ImportError, TypeError, MemoryError, *DAMAGED) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is no mask of cctbx ({error}); it was not read further") from error
    panels = list(found) if isinstance(found, (tuple, list)) else [found]
    if not panels or not all(isinstance(panel, _Flags) and panel.values.ndim == 2 for panel in panels):
        raise ValueError(f"{path} holds {type(found).__name__}, expected flex.bool of two axes, one for each panel")
    return [panel.values for panel in panels]
