"""Embeddings with what the patterns are, as files and in memory."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from frames.files import read_arrays, write_arrays
from frames.labels import SPLITS
from frames.store.dataset import by_shard
from train.few_shot.support import SupportSet

if TYPE_CHECKING:
    from frames.store.dataset import Dataset


class Embedded(NamedTuple):
    """Patterns, one beside the other."""

    embeddings: NDArray[np.float32]
    """(n, d)"""
    structure: NDArray[np.str_]
    """(n,) ids"""
    hit_multiplicity: NDArray[np.int64]
    """(n,)"""
    split: NDArray[np.str_]
    """(n,) train, validation or test"""
    photons: NDArray[np.float64]
    """(n,) that the detector read in all of its pixels"""

    @property
    def is_single(self) -> NDArray[np.bool_]:
        """(n,)."""
        return self.hit_multiplicity == 1

    @property
    def support(self) -> SupportSet:
        """As patterns whose label is known."""
        return SupportSet(self.embeddings, self.is_single)

    def take(self, which: NDArray) -> Self:
        """Those of a mask (n,), or at these places, in this order."""
        return type(self)(*(column[which] for column in self))

    def of(self, structures: Collection[str]) -> Self:
        """Those of these structures."""
        return self.take(np.isin(self.structure, [*structures]))

    def without(self, structures: Collection[str]) -> Self:
        """Those of all others."""
        return self.take(~np.isin(self.structure, [*structures]))

    def in_split(self, split: str) -> Self:
        """Those of one split."""
        return self.take(self.split == split)


def embedded(
    dataset: "Dataset", rows: slice, embeddings: NDArray[np.float32], photons: NDArray[np.float64]
) -> Embedded:
    """The embeddings (n, d) and photons (n,) of some rows of a dataset, with what these are."""
    ends = [dataset.splits[split].stop for split in SPLITS]
    return Embedded(
        embeddings,
        np.array(dataset.structures)[dataset.structure[rows]],
        dataset.hit_multiplicity[rows],
        np.array(SPLITS)[np.searchsorted(ends, np.arange(len(dataset))[rows], side="right")],
        photons,
    )


def embedded_by(
    features: Callable[[NDArray[np.float32]], NDArray[np.float32]], dataset: "Dataset", rows: slice
) -> Embedded:
    """What `features` makes of the images (n, ny, nx) of some rows, shard by shard."""

    def reduced(images: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.column_stack([features(images), images.sum(axis=(1, 2), dtype=np.float64)])

    columns = by_shard(dataset, rows, reduced, f"embeddings of {dataset.name}")
    return embedded(dataset, rows, columns[:, :-1].astype(np.float32), columns[:, -1])


def write_embedded(of: Mapping[str, Embedded], path: Path) -> None:
    """Write the embeddings of several datasets, by name, atomically."""
    write_arrays(path, {f"{name}/{key}": value for name, some in of.items() for key, value in some._asdict().items()})


def read_embedded(path: Path, dataset: str) -> Embedded:
    """Read those of one dataset. KeyError where the file has none of it."""
    arrays = read_arrays(path)
    return Embedded(*(arrays[f"{dataset}/{key}"] for key in Embedded._fields))


def read_support(path: Path) -> Embedded:
    """Read the `support.npz` of a training: patterns that it learned from."""
    arrays = read_arrays(path)
    n = len(arrays["structure"])
    return Embedded(**{key: arrays[key] for key in Embedded._fields if key != "split"}, split=np.full(n, "train"))


def write_support(support: Embedded, path: Path) -> None:
    """Write what `read_support` reads, as a training does, atomically."""
    columns = {key: value for key, value in support._asdict().items() if key != "split"}
    write_arrays(path, {**columns, "is_single": support.is_single})
