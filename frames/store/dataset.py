"""A complete dataset, open for reading. What lies on disk: frames/store/writer.py.

It opens in xarray as well: `xr.open_zarr("<folder>/patterns.zarr")`.

    singlehit verify results/demo/datasets/noise_free
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from tqdm import tqdm

from frames.files import read_json
from frames.labels import SPLITS
from frames.readout import readout
from frames.readout.config import ReadoutConfig
from frames.store.integrity import (
    UNREADABLE,
    DamagedDatasetError,
    raise_if_damaged,
    raise_if_incomplete,
)
from frames.store.layout import Layout, Record
from frames.store.writer import IMAGES, array, label_codes
from frames.targets import MULTIPLICITY, STRUCTURE, Target


@dataclass(frozen=True, repr=False)
class Dataset:
    """A complete dataset, open for reading."""

    folder: Path
    card: dict[str, Any]
    layout: Layout
    group: zarr.Group

    def __repr__(self) -> str:
        n, ny, nx = self.shape
        asked = ", ".join(f"{len(target.classes)} classes of {target.name}" for target in self.targets)
        return f"Dataset({self.folder}: {n} of {ny} x {nx} pixels, {self.record}; {asked})"

    @property
    def name(self) -> str:
        """Name of the dataset: the condition under which its patterns were recorded."""
        return self.folder.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(patterns, ny, nx)."""
        return (self.layout.n_patterns, *self.layout.image_shape)

    def __len__(self) -> int:
        return self.layout.n_patterns

    @property
    def record(self) -> Record:
        """`expected`, `photons` or `adu`."""
        return self.layout.record

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is asked of every frame."""
        return self.layout.targets

    def labels(self, target: str) -> NDArray[np.int64]:
        """(n,) code of every frame: index into the target's classes, -1 where there is no answer.

        ValueError naming the targets that there are.
        """
        if target not in self._labels:
            self._labels[target] = label_codes(self.group, self.layout.target(target))
        return self._labels[target]

    @cached_property
    def _labels(self) -> dict[str, NDArray[np.int64]]:
        """Those that were read."""
        return {}

    @property
    def structures(self) -> tuple[str, ...]:
        """Ids of the structures; `structure` indexes them. ValueError where no structure is asked for."""
        return tuple(map(str, self.layout.target(STRUCTURE).classes))

    @property
    def hit_multiplicities(self) -> tuple[int, ...]:
        """The multiplicities of the run; `count` indexes them. ValueError where no multiplicity is asked for."""
        return tuple(map(int, self.layout.target(MULTIPLICITY).classes))

    @cached_property
    def readout(self) -> ReadoutConfig:
        """What `read` makes of the stored photons."""
        return ReadoutConfig.model_validate(self.layout.readout)

    @property
    def reads_floats(self) -> bool:
        """Whether `read` gives something else than the stored whole numbers."""
        return self.record == "expected" or not self.readout.is_ideal

    @property
    def patterns_per_shard(self) -> int:
        """Patterns that lie in one file and are best read together."""
        return self.layout.patterns_per_shard

    @property
    def structure(self) -> NDArray[np.int64]:
        """(n,) index into `structures`; -1 where no particle was hit."""
        return self.labels(STRUCTURE)

    @property
    def count(self) -> NDArray[np.int64]:
        """(n,) index into `hit_multiplicities`."""
        return self.labels(MULTIPLICITY)

    @cached_property
    def hit_multiplicity(self) -> NDArray[np.int64]:
        """(n,) particles in each shot."""
        return np.array(self.hit_multiplicities)[self.count]

    @cached_property
    def seed(self) -> NDArray[np.uint64]:
        """(n,) seed of each pattern's random numbers."""
        return np.asarray(array(self.group, "seed")[:])

    @cached_property
    def fluence(self) -> NDArray[np.float32]:
        """(n,) mean over the particles of the shot [photons/µm²]."""
        return np.asarray(array(self.group, "fluence")[:])

    @cached_property
    def photon_energy_eV(self) -> NDArray[np.float32]:
        """(n,)."""
        return np.asarray(array(self.group, "photon_energy_eV")[:])

    @cached_property
    def pulse_factor(self) -> NDArray[np.float32]:
        """(n,) photons of each pulse over the nominal number."""
        return np.asarray(array(self.group, "pulse_factor")[:])

    @cached_property
    def beam_centre(self) -> NDArray[np.float32]:
        """(n, 2) where the beam meets the detector, x and y from the middle of the image [pixels]."""
        return np.asarray(array(self.group, "beam_centre")[:])

    @cached_property
    def live(self) -> NDArray[np.float32]:
        """(ny, nx) share of each pixel that counts photons; 0 where unusable."""
        return np.asarray(array(self.group, "live")[:])

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(ny, nx) True where unusable."""
        return np.asarray(array(self.group, "mask")[:])

    @cached_property
    def splits(self) -> dict[str, slice]:
        """Rows of each split: contiguous, and shuffled inside."""
        codes = np.asarray(array(self.group, "split")[:])
        edges = np.searchsorted(codes, range(len(SPLITS) + 1))
        return {name: slice(int(edges[n]), int(edges[n + 1])) for n, name in enumerate(SPLITS)}

    @cached_property
    def _sound(self) -> set[int]:
        """Shards that held the bytes that were written when they were first read from."""
        return set()

    def read_raw(self, rows: slice) -> NDArray:
        """Patterns as stored, (n, ny, nx) uint16 counts or units of the detector, or float32 expectations.

        DamagedDatasetError where they lie in a shard that is not what was written.
        """
        start, stop, _ = rows.indices(len(self))
        shards = range(start // self.patterns_per_shard, -(-stop // self.patterns_per_shard))
        for shard in set(shards) - self._sound:
            raise_if_damaged(self.folder, self.layout, self.card, shard)
            self._sound.add(shard)
        return np.asarray(array(self.group, IMAGES[self.record][0])[rows])

    def read(self, rows: slice) -> NDArray[np.float32]:
        """Patterns as the detector reads them, (n, ny, nx): with each pattern's own noise, the same every time."""
        raw = self.read_raw(rows)
        if self.record != "photons":
            return raw.astype(np.float32, copy=False)
        return readout.read(raw, self.readout, self.seed[rows], self.live.astype(np.float64))


def open_dataset(folder: Path | str) -> Dataset:
    """Open a complete dataset.

    Raises
    ------
    FileNotFoundError if there is none; ValueError for a damaged `layout.json`; DamagedDatasetError if it is not
    complete, or not what it was when it was completed. Bytes of shards are checked as they are read.
    """
    folder = Path(folder)
    layout = Layout.load(folder)
    verifying = f"`singlehit verify {folder}`"
    if not (folder / "dataset.json").exists():
        raise DamagedDatasetError(
            f"dataset {folder} is not complete: dataset.json is written last and is not there; run snakemake to "
            f"finish it, or {verifying} to see what is missing"
        )
    try:
        card = read_json(folder / "dataset.json")
        raise_if_incomplete(folder, layout, card)
    except UNREADABLE as error:
        raise DamagedDatasetError(f"{folder / 'dataset.json'} is damaged ({error!r}); {verifying} says more") from error
    # Version 2 knows arrays of pickles.
    return Dataset(folder, card, layout, zarr.open_group(folder / "patterns.zarr", mode="r", zarr_format=3))


def by_shard(dataset: Dataset, rows: slice, reduce: Callable[[NDArray[np.float32]], NDArray], what: str) -> NDArray:
    """What `reduce` makes of the patterns (n, ny, nx) as the detector reads them: one shard in memory at a time."""
    start, stop, _ = rows.indices(len(dataset))
    size = dataset.patterns_per_shard
    edges = [start, *range(start - start % size + size, stop, size), stop]
    pieces = tqdm(list(itertools.pairwise(edges)), desc=f"{what} of {dataset.name}", unit="shard", disable=None)
    return np.concatenate([reduce(dataset.read(slice(*piece))) for piece in pieces])
