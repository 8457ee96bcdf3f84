"""Images with their labels and instrument, whatever they lie in: what writers take and readers give."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from frames.formats.masks import must_leave_pixels
from frames.formats.readings import must_be_readings
from frames.geometry import Geometry
from frames.labels import Label

Quantity = Literal["photons", "expected", "reading"]
"""Counts, their mean, or what the detector makes of them (noise, gain)."""

Fetch = Callable[[slice], NDArray]
"""Values of the rows of a slice with 0 <= start <= stop <= n."""

BYTES_AT_ONCE = 16 * 2**20
"""Largest block of images that is read together; writers need up to sixteen times as much beside it."""


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
class Patterns:
    """n images, read by rows when they are asked for, and everything that is known of them."""

    name: str
    shape: tuple[int, ...]
    """(n, ny, nx); with axes of panels between, where frames are asked for as they are stored"""
    dtype: DTypeLike
    quantity: Quantity
    fetch: Fetch
    labels: Mapping[str, Label] = field(default_factory=dict)
    instrument: Instrument = field(default_factory=Instrument)
    together: int = 1024
    """Patterns that are best read together: a shard of a dataset."""
    per_chunk: int = 1
    """Patterns that can only be read together: a chunk of a file."""
    bad: Fetch | None = None
    """(rows, ny, nx) True where a pixel is unusable; where patterns have one mask, that is `instrument.mask`."""
    mask_said: str = ""
    """Which masks were taken, and to mean what; empty where the source has none."""
    note: str = ""
    """What else has to be said of the source."""
    source: str = ""
    """File, and the name in it; what is read of it has to be readings. Empty for what we made ourselves."""
    first: int = 0
    """Index of the first pattern in the source."""
    fill: float | None = None
    """What the file says that it is filled with where nothing was written, if that is no count."""

    def __repr__(self) -> str:
        frame = " x ".join(map(str, self.shape[1:]))
        values = f"{np.dtype(self.dtype)}, {self.quantity}"
        told = f"{len(self)} of {frame} pixels, {values}; {len(self.labels)} labels"
        return f"Patterns({self.source or self.name}: {told})"

    def __post_init__(self) -> None:
        for name, label in self.labels.items():
            if len(label.values) != self.shape[0]:
                raise ValueError(
                    f"{self.name}: {self.shape[0]} patterns, but {len(label.values)} values of {name}; were its files "
                    "written together?"
                )

    def __len__(self) -> int:
        return self.shape[0]

    def must_share_a_mask(self, what: str) -> None:
        """ValueError where each pattern has a mask of its own, for formats that hold one for all."""
        if self.bad is not None:
            raise ValueError(
                f"{self.source or self.name} has a mask for every pattern, and {what} hold one for all; export as CXI"
            )

    @property
    def are_counts(self) -> bool:
        """Whole numbers of photons."""
        return np.issubdtype(np.dtype(self.dtype), np.integer)

    def read(self, rows: slice = slice(None)) -> NDArray:
        """Images (rows, ny, nx) of these patterns.

        ValueError where a pixel of a file holds no reading, and no mask says so, and where all are masked.
        """
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows {rows} have a step of {step}; patterns are read one after the other")
        images = self.fetch(rows := slice(start, max(start, stop)))
        if self.source and len(images):
            bad, first = self.unusable(rows), self.first + start
            must_leave_pixels(bad, self.source, slice(first, first + len(images)), self.mask_said)
            must_be_readings(images, bad, self.source, first, self.fill)
        return images

    def unusable(self, rows: slice) -> NDArray[np.bool_] | None:
        """True where a pixel is unusable, (rows, ny, nx) or, the same for all, (ny, nx); None where no mask says."""
        return self.instrument.mask if self.bad is None else self.bad(rows)

    def blocks(self) -> Iterator[slice]:
        """Rows from the first to the last, never more at once than memory should hold."""
        bytes_each = math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize
        size = max(1, min(self.together, BYTES_AT_ONCE // bytes_each))
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))

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


def stream(patterns: Patterns) -> Iterator[tuple[slice, NDArray]]:
    """Rows and images, block by block, with a progress bar on a terminal."""
    from tqdm import tqdm

    with tqdm(total=len(patterns), desc=patterns.name, unit="pattern", disable=None) as bar:
        for rows in patterns.blocks():
            yield rows, patterns.read(rows)
            bar.update(rows.stop - rows.start)
