"""Batches of a dataset's patterns: from memory where they fit, else by shuffled whole shards."""

import itertools
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from train.batches.augment import augment
from train.config.recipe import Augment
from train.progress import progress

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

logger = logging.getLogger(__name__)

AUGMENTED_AT_ONCE = 64
"""Patterns: 4 MB of 128 x 128 pixels, which stay in the cache."""


@dataclass(frozen=True)
class Patterns:
    """Some patterns and their right answers."""

    images: NDArray | torch.Tensor
    """(n, ny, nx) uint16 counts or float32; a tensor where they are on a GPU"""
    labels: Mapping[str, NDArray[np.int64]]
    """of each target, in the dataset's order, (n,) index into its classes; -1 where there is no answer"""

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.int64]) -> "Patterns":
        """Those of these rows, copied where they are."""
        return Patterns(_rows(self.images, rows), {name: codes[rows] for name, codes in self.labels.items()})

    def on(self, device: torch.device) -> "Patterns":
        """The same with the images as a tensor on the device."""
        return Patterns(torch.as_tensor(self.images, device=device), self.labels)

    def join(self, other: "Patterns") -> "Patterns":
        """These and then the others."""
        return Patterns(
            np.concatenate((self.images, other.images)),
            {name: np.concatenate((codes, other.labels[name])) for name, codes in self.labels.items()},
        )


class RankSlice(NamedTuple):
    """Of every batch, what one of several processes takes that train together: patterns rank, rank + n, ..."""

    rank: int = 0
    n: int = 1
    """processes"""


WHOLE = RankSlice()
"""One process alone takes all."""


class Batches:
    """A range of a dataset's rows in batches: each pattern once per epoch, the last batch as short as it comes.

    Where the range fits in memory it is read once, and an epoch is a permutation of all of it. Where it does not, an
    epoch reads whole shards in a shuffled order, because single patterns read ten times slower, and shuffles as
    many of them together as fit in half the memory; the other half is read meanwhile.

    Parameters
    ----------
    rows :      range of the dataset; the splits are such ranges.
    memory_gb : patterns held at once [1e9 bytes]; in the stored order as much as two shards are, if that is more.
    seed :      of the shuffling: an epoch's order follows from it, the epoch's number and `memory_gb` alone, whatever
                was read before. None keeps the stored order.
    augment :   what is done to each pattern, always in the same way, when it is read.
    structures : the indices of those whose patterns are taken; None takes all.
    share :     of every batch; lengths and labels are those of the whole batches.
    held_on :   the device that images are on where all fit in memory: a GPU that trains on them then waits for none
                to be copied. None leaves them arrays.
    """

    def __init__(
        self,
        dataset: "Dataset",
        rows: slice,
        batch_size: int,
        memory_gb: float,
        seed: int | None = None,
        augment: Augment = "none",
        structures: Collection[int] | None = None,
        share: RankSlice = WHOLE,
        held_on: torch.device | None = None,
    ):
        start, stop, _ = rows.indices(len(dataset))
        self._taken = np.ones(len(dataset), bool) if structures is None else np.isin(dataset.structure, [*structures])
        taken = self._taken[start:stop]
        if not taken.any():
            raise ValueError(
                f"rows {rows.start}:{rows.stop} of dataset {dataset.name} hold no pattern that is asked for"
            )
        self.labels = {target.name: dataset.labels(target.name)[start:stop][taken] for target in dataset.targets}
        self.n_patterns = int(taken.sum())
        """in an epoch"""
        self.batch_size = batch_size
        self._dataset = dataset
        self._seed = seed
        self._augment: Augment = augment
        self._share = share
        self._type = np.dtype(np.float32) if augment != "none" else _stored_type(dataset)
        self._n_readers = torch.get_num_threads()
        self._shards = _whole_shards(start, stop, dataset.patterns_per_shard)
        self._held: Patterns | None = None

        pattern_bytes = math.prod(dataset.shape[1:]) * self._type.itemsize
        self._shards_together = int(memory_gb * 1e9 / 2 // (pattern_bytes * dataset.patterns_per_shard))
        if seed is None:
            self._shards_together = max(1, self._shards_together)  # nothing is shuffled: one after the other will do
        if self.n_patterns * pattern_bytes <= memory_gb * 1e9:
            held = self._read_and_report(self._shards)
            self._held = held if held_on is None else held.on(held_on)
        elif self._shards_together == 0:
            raise ValueError(
                f"memory_gb {memory_gb:g} does not hold two shards of dataset {dataset.name}; raise it to at least "
                f"{2e-9 * pattern_bytes * dataset.patterns_per_shard:.2g}"
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.n_patterns / self.batch_size)

    def epoch(self, number: int = 0) -> Iterator[Patterns]:
        """The batches of epoch `number`."""
        generator = None if self._seed is None else np.random.default_rng((self._seed, number))
        if self._held is not None:
            return _cut([self._held], self.batch_size, generator, self._share)
        shards = self._shards
        if generator is not None:
            shards = [shards[i] for i in generator.permutation(len(shards))]
        together = (shards[i : i + self._shards_together] for i in range(0, len(shards), self._shards_together))
        return _cut(_read_ahead(self._read, together), self.batch_size, generator, self._share)

    def _read(self, shards: Sequence[slice], show_progress: bool = False) -> Patterns:
        """These shards, one after the other."""
        dataset = self._dataset
        taken = [np.flatnonzero(self._taken[shard]) for shard in shards]
        rows = np.concatenate([shard.start + some for shard, some in zip(shards, taken, strict=True)])
        images = np.empty((len(rows), *dataset.shape[1:]), self._type)
        read = dataset.read if dataset.reads_floats else dataset.read_raw
        ends = itertools.accumulate(len(some) for some in taken)

        def fill(shard: slice, some: NDArray[np.intp], end: int) -> None:
            seeds = dataset.seed[shard][some]
            images[end - len(some) : end] = augmented(read(shard)[some], seeds, self._augment)

        with ThreadPoolExecutor(self._n_readers) as pool:
            filled = pool.map(fill, shards, taken, ends)
            list(progress(filled, f"reading {dataset.name}", len(shards)) if show_progress else filled)
        return Patterns(images, {target.name: dataset.labels(target.name)[rows] for target in dataset.targets})

    def _read_and_report(self, shards: Sequence[slice]) -> Patterns:
        started = time.perf_counter()
        patterns = self._read(shards, show_progress=True)
        logger.info(
            "read %d patterns of %s (%.2f GB) into memory in %.1f s",
            len(patterns),
            self._dataset.name,
            patterns.images.nbytes / 1e9,
            time.perf_counter() - started,
        )
        return patterns


def augmented(images: NDArray, seeds: NDArray[np.uint64], which: Augment) -> NDArray:
    """Patterns (n, ny, nx) with these seeds, augmented a few at a time: as float32, or as they are for `none`."""
    if which == "none":
        return images
    result = np.empty(images.shape, np.float32)
    for start in range(0, len(images), AUGMENTED_AT_ONCE):
        some = slice(start, start + AUGMENTED_AT_ONCE)
        result[some] = augment(torch.from_numpy(images[some].astype(np.float32)), seeds[some]).numpy()
    return result


def epoch_seed(seed: int, number: int, rank: int = 0) -> int:
    """Every epoch has a stream of its own: what a resumed training draws does not hang on what was drawn before.

    So has each of several processes; the first has that of a training by one.
    """
    return int(np.random.SeedSequence((seed, number, rank)).generate_state(1, np.uint64)[0])


def _rows(images: NDArray | torch.Tensor, rows: NDArray[np.int64]) -> NDArray | torch.Tensor:
    """These rows, copied. torch picks rows of few unsigned types on a GPU, so counts go as the bits that they are."""
    if not isinstance(images, torch.Tensor):
        return images[rows]
    bits = images.view(torch.int16) if images.dtype == torch.uint16 else images
    return bits.index_select(0, torch.from_numpy(rows).to(images.device)).view(images.dtype)


def _stored_type(dataset: "Dataset") -> np.dtype:
    """Counts stay uint16, half the memory, unless the readout makes them float."""
    return np.dtype(np.float32 if dataset.reads_floats else np.uint16)


def _whole_shards(start: int, stop: int, patterns_per_shard: int) -> list[slice]:
    """Rows start:stop, cut where the store's shards end."""
    first_end = start - start % patterns_per_shard + patterns_per_shard
    edges = [start, *range(first_end, stop, patterns_per_shard), stop]
    return [slice(*edge) for edge in itertools.pairwise(edges)]


def _read_ahead(read: Callable[[Sequence[slice]], Patterns], groups: Iterator[Sequence[slice]]) -> Iterator[Patterns]:
    """Each group as read, the next one already being read in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(read, next(groups))
        for group in groups:
            patterns = coming.result()
            coming = pool.submit(read, group)
            yield patterns
        yield coming.result()


def _cut(
    parts: Iterable[Patterns], batch_size: int, generator: np.random.Generator | None, share: RankSlice
) -> Iterator[Patterns]:
    """Shares of batches of `batch_size` through the parts, each shuffled by itself; a batch may span parts."""
    held: Patterns | None = None
    n_before = 0  # patterns of this batch, whoever takes them
    for part in parts:
        n = len(part)
        order = np.arange(n) if generator is None else generator.permutation(n)
        while len(order):
            room = batch_size - n_before
            mine = part.take(order[:room][(share.rank - n_before) % share.n :: share.n])
            n_before, order = n_before + len(order[:room]), order[room:]
            held = mine if held is None else held.join(mine)
            if n_before == batch_size:
                yield held
                held, n_before = None, 0
    if held is not None:
        yield held
