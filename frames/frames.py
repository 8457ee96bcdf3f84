"""Frames with their labels and instrument, whatever they lie in: what readers give and writers take.

Nothing but their shape is read before it is asked for. A simulated store is read alike (frames/store/as_frames.py);
`frames.formats.open.open_frames` opens whatever there is.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from frames.formats.masks import must_leave_pixels
from frames.formats.readings import must_be_readings, zero_where
from frames.geometry import Geometry
from frames.labels import Label

Quantity = Literal["photons", "expected", "reading"]
"""Counts, their mean, or what the detector makes of them (noise, gain)."""

Fetch = Callable[[slice], NDArray]
"""Values of the rows of a slice with 0 <= start <= stop <= n."""

BYTES_AT_ONCE = 64 * 2**20
"""Of a block's frames, at most, where a frame is no larger itself: as float32, as networks take them. Writers take a
quarter of it at a time, since they need up to sixteen times as much beside it."""


@dataclass(frozen=True, repr=False)
class Instrument:
    """What is known of beam and detector; None is not known. A flat detector with the beam through its middle."""

    mask: NDArray[np.bool_] | None = None
    """(ny, nx) True where a pixel is unusable."""
    photon_energy_eV: float | None = None
    pixel_size_um: float | None = None
    distance_mm: float | None = None
    q: NDArray[np.float64] | None = None
    """(ny, nx, 3) scattering vectors of pixel centres [Å⁻¹]."""
    solid_angle: NDArray[np.float64] | None = None
    """(ny, nx) of the part of a pixel that is live [sr]."""
    polarisation: NDArray[np.float64] | None = None
    """(ny, nx) 1 − (n·x̂)²."""

    @classmethod
    def of(cls, geometry: Geometry) -> Self:
        """The instrument of a dataset."""
        return cls(
            mask=geometry.mask,
            photon_energy_eV=geometry.photon_energy_eV,
            pixel_size_um=geometry.pixel_size_um,
            distance_mm=geometry.distance_mm,
            q=geometry.q,
            solid_angle=geometry.solid_angle * geometry.live,
            polarisation=geometry.polarisation,
        )

    @property
    def known(self) -> dict[str, Any]:
        """What is known, by its name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def __repr__(self) -> str:
        told = (name if np.ndim(value) else f"{name}={value:g}" for name, value in self.known.items())
        return f"Instrument({', '.join(told)})"

    def need(self, *names: str, why: str) -> tuple[Any, ...]:
        """These values; ValueError if one of them is not known."""
        if unknown := [name for name in names if getattr(self, name) is None]:
            raise ValueError(f"{why} needs {', '.join(unknown)}, which the source does not say; export from a dataset")
        return tuple(getattr(self, name) for name in names)


@dataclass(frozen=True, repr=False)
class Frames:
    """n frames, read by rows when they are asked for, and everything that is known of them."""

    name: str
    shape: tuple[int, ...]
    """(n, ny, nx); with axes of panels between, where frames are asked for as they are stored"""
    dtype: DTypeLike
    quantity: Quantity
    fetch: Fetch
    labels: Mapping[str, Label] = field(default_factory=dict)
    instrument: Instrument = field(default_factory=Instrument)
    together: int = 1
    """Frames that are best read together: a chunk of a file, a shard of a dataset."""
    bad: Fetch | None = None
    """(rows, ny, nx) True where a pixel is unusable; where frames have one mask, that is `instrument.mask`."""
    mask_said: str = ""
    """Which masks were taken, and to mean what; empty where the source has none."""
    note: str = ""
    """What else has to be said of the source."""
    source: str = ""
    """File, and the name in it; what is read of it has to be readings. Empty for what we made ourselves."""
    first: int = 0
    """Index of the first frame in the source."""
    fill: float | None = None
    """What the file says that it is filled with where nothing was written, if that is no count."""
    summed: bool = False
    """Of pixels that were found to hold readings, 0 where masked; what is no reading in a pixel may well be a sum."""

    def __repr__(self) -> str:
        frame = " x ".join(map(str, self.shape[1:]))
        masked = ", masked" if self.bad is not None or self.instrument.mask is not None else ""
        values = f"{np.dtype(self.dtype)}, {self.quantity}{masked}"
        return f"Frames({self.who}: {len(self)} of {frame} pixels, {values}; {len(self.labels)} labels)"

    def __post_init__(self) -> None:
        for name, label in self.labels.items():
            if len(label.values) != self.shape[0]:
                raise ValueError(
                    f"{self.name}: {self.shape[0]} patterns, but {len(label.values)} values of {name}; were its files "
                    "written together?"
                )

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def who(self) -> str:
        """Source, or name, for messages."""
        return self.source or self.name

    def must_share_a_mask(self, what: str) -> None:
        """ValueError where each frame has a mask of its own, for formats that hold one for all."""
        if self.bad is not None:
            raise ValueError(f"{self.who} has a mask for every pattern, and {what} hold one for all; export as CXI")

    @property
    def are_counts(self) -> bool:
        """Whole numbers of photons."""
        return np.issubdtype(np.dtype(self.dtype), np.integer)

    def read_raw(self, rows: slice = slice(None)) -> NDArray:
        """Frames (rows, ny, nx) in the type that they are stored in, whatever stands where they are masked.

        ValueError where a pixel of a file holds no reading, and no mask says so, and where all are masked.
        """
        rows = self._rows(rows)
        frames = self.fetch(rows)
        if self.source and not self.summed and len(frames):
            self._must_be_readings(frames, self.unusable(rows), rows)
        return frames

    def read(self, rows: slice = slice(None)) -> NDArray[np.float32]:
        """Frames (rows, ny, nx) as a network takes them: float32, 0 where masked. ValueError as `read_raw`."""
        return self.read_masked(rows)[0]

    def read_masked(self, rows: slice = slice(None)) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """What `read` and `unusable` give, the mask of each frame being read once."""
        rows = self._rows(rows)
        stored, bad = self.fetch(rows), self.unusable(rows)
        if self.summed:
            kept = stored
        elif self.source and len(stored):
            kept = self._must_be_readings(stored, bad, rows)
        else:
            kept = zero_where(bad, stored)
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
            frames = np.array(kept, np.float32)
        if stored.dtype.kind == "f" and stored.dtype.itemsize > frames.itemsize:
            must_be_readings(frames, None, self.who, self.first + rows.start)
        return frames, bad

    def _rows(self, rows: slice) -> slice:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows {rows} have a step of {step}; frames are read one after the other")
        return slice(start, max(start, stop))

    def _must_be_readings(self, frames: NDArray, bad: NDArray[np.bool_] | None, rows: slice) -> NDArray:
        """The frames, 0 where masked."""
        first = self.first + rows.start
        must_leave_pixels(bad, self.source, slice(first, first + len(frames)), self.mask_said)
        return must_be_readings(frames, bad, self.source, first, self.fill)

    def unusable(self, rows: slice) -> NDArray[np.bool_] | None:
        """True where a pixel is unusable, (rows, ny, nx) or, the same for all, (ny, nx); None where no mask says."""
        return self.instrument.mask if self.bad is None else self.bad(rows)

    def spans(self, bytes_at_once: int, bytes_of_value: int) -> list[slice]:
        """Rows from the first to the last, as many whole chunks at once as so many bytes hold, or else frames."""
        return spans(len(self), bytes_at_once, math.prod(self.shape[1:]) * bytes_of_value, self.together)

    @property
    def n_blocks(self) -> int:
        """How many `blocks` gives."""
        return len(self.spans(BYTES_AT_ONCE, 4))

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Rows and their frames as `read` gives them, block after block."""
        for rows, frames, _ in self.masked_blocks():
            yield rows, frames

    def masked_blocks(self) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.bool_] | None]]:
        """Rows, their frames and their mask as `read_masked` gives them, block after block."""
        for rows in self.spans(BYTES_AT_ONCE, 4):
            yield rows, *self.read_masked(rows)

    def raw_spans(self) -> list[slice]:
        """Rows for writers, which take values as they are stored."""
        return self.spans(BYTES_AT_ONCE // 4, np.dtype(self.dtype).itemsize)

    def rows(self, chosen: slice) -> Self:
        """These rows alone.

        Raises
        ------
        ValueError if there are none.
        """
        start, stop, step = chosen.indices(len(self))
        if step != 1 or start >= stop:
            raise ValueError(f"rows {chosen.start}:{chosen.stop} of {len(self)} patterns of {self.name} are none")
        labels = {name: replace(label, values=label.values[start:stop]) for name, label in self.labels.items()}
        fetch, bad = self.fetch, self.bad

        def shifted(rows: slice) -> slice:
            return slice(start + rows.start, start + rows.stop)

        return replace(
            self,
            shape=(stop - start, *self.shape[1:]),
            fetch=lambda rows: fetch(shifted(rows)),
            labels=labels,
            first=self.first + start,
            bad=None if bad is None else lambda rows: bad(shifted(rows)),
        )

    def take(self, numbers: NDArray[np.integer]) -> Self:
        """The frames of these numbers (m,), in this order, each read when it is asked for."""

        numbers = np.asarray(numbers, np.int64)

        def gathered(fetch: Fetch) -> Fetch:
            return lambda rows: np.concatenate([fetch(slice(at, at + 1)) for at in numbers[rows].tolist()])

        labels = {name: replace(label, values=label.values[numbers]) for name, label in self.labels.items()}
        if "row" not in labels:
            labels["row"] = Label(self.first + numbers, {"long_name": f"number of the frame in {self.who}"})

        return replace(
            self,
            shape=(len(numbers), *self.shape[1:]),
            fetch=gathered(self.fetch),
            labels=labels,
            together=1,
            bad=None if self.bad is None else gathered(self.bad),
        )

    def split(self, name: str) -> Self:
        """The rows of one split: `train`, `validation` or `test`.

        Raises
        ------
        ValueError if the patterns have no splits, or none of this name.
        """
        if "split" not in self.labels:
            raise ValueError(f"{self.name} has no label `split`; choose rows instead")
        label = self.labels["split"]
        meanings = list(label.attributes["flag_meanings"])
        members = np.flatnonzero(label.values == meanings.index(name)) if name in meanings else np.array([], dtype=int)
        if len(members) == 0:
            raise ValueError(f"{self.name} has no pattern of split {name!r}; it knows {meanings}")
        if members[-1] - members[0] + 1 != len(members):
            raise ValueError(f"split {name!r} of {self.name} is not contiguous; choose rows instead")
        return self.rows(slice(int(members[0]), int(members[-1]) + 1))


def spans(n: int, bytes_at_once: int, bytes_of_frame: int, together: int = 1) -> list[slice]:
    """Rows of n frames, as many at once as so many bytes hold: whole chunks, or else frames, 1 at least."""
    most = max(1, bytes_at_once // bytes_of_frame)
    size = most // together * together or most
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def stream(frames: Frames) -> Iterator[tuple[slice, NDArray]]:
    """Rows and their frames as `read_raw` gives them, block by block, with a progress bar on a terminal."""
    from tqdm import tqdm

    with tqdm(total=len(frames), desc=frames.name, unit="pattern", disable=None) as bar:
        for rows in frames.raw_spans():
            yield rows, frames.read_raw(rows)
            bar.update(rows.stop - rows.start)
