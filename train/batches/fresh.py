"""Batches of patterns that are rendered while a network trains: it never sees one twice."""

import math
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from train.batches.batches import WHOLE, Patterns, RankSlice, epoch_seed

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

RENDERED_AT_ONCE = 2048
"""Patterns, about: 128 MB of 128 x 128 pixels."""


class Rows(Protocol):
    """What is shot: a row for each pattern."""

    table: Any
    """pandas, with a column for each target of the dataset"""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> Self:
        """These rows alone."""


class PatternSource(Protocol):
    """What renders patterns while they are asked for, such as simulate.render.fresh.Source."""

    @property
    def engine(self) -> str:
        """`fast` and `torch` render on a GPU, too."""

    def only(self, structures: Collection[str]) -> "PatternSource":
        """The same with these structures alone, by id."""

    def plan(self, epoch: int, seed: int) -> Any:
        """`Rows` of this epoch, from 0, of a training with this seed, in random order."""

    def read(self, rows: Any) -> NDArray[np.float32]:
        """Patterns (n, ny, nx) of these rows as the detector reads them."""

    def on(self, device: torch.device) -> Callable[[Any, torch.Generator], torch.Tensor]:
        """`read` on a device that the patterns never leave."""


class FreshBatches:
    """Epochs as `train.batches.batches.Batches` gives them, of as many patterns as the training split of the dataset
    has.

    Rendered on the GPU where the network trains on one and the dataset's engine is not skopi; else by the engine.

    Parameters
    ----------
    dataset : whose labels' order the network learns; its patterns are not read.
    seed :    of the training; trainings from different seeds see different patterns.
    structures : the indices of those whose patterns are taken; None takes all.
    share :   of every batch: no other pattern is rendered. On a GPU each process's photons are drawn by a generator of
              its own, so that several processes see other photons than one would.
    """

    def __init__(
        self,
        source: PatternSource,
        dataset: "Dataset",
        batch_size: int,
        device: torch.device,
        seed: int,
        structures: Collection[int] | None = None,
        share: RankSlice = WHOLE,
    ):
        if structures is not None:
            source = source.only([dataset.structures[index] for index in structures])
        self._source, self._device, self._seed, self._share = source, device, seed, share
        self.batch_size = batch_size
        self._targets = dataset.targets
        train = dataset.splits["train"]
        self.n_patterns = train.stop - train.start
        if structures is not None:
            self.n_patterns = int(np.isin(dataset.structure[train], [*structures]).sum())
        on_device = source.engine == "torch" or (source.engine == "fast" and device.type == "cuda")
        self._on_device = source.on(device) if on_device else None

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.n_patterns / self.batch_size)

    def epoch(self, number: int = 0) -> Iterator[Patterns]:
        """The batches of epoch `number`."""
        plan = self._source.plan(number, self._seed)
        rank, n = self._share
        generator = torch.Generator(self._device).manual_seed(epoch_seed(self._seed, number, rank))
        together = n * self.batch_size * max(1, RENDERED_AT_ONCE // self.batch_size)
        for first in range(0, len(plan), together):
            rows = np.arange(first, min(first + together, len(plan)))
            mine = rows[rows % self.batch_size % n == rank]
            patterns = self._rendered(plan.take(mine), generator)
            for batch in np.unique(rows // self.batch_size):
                yield patterns.take(np.flatnonzero(mine // self.batch_size == batch))

    def _rendered(self, plan: Rows, generator: torch.Generator) -> Patterns:
        return Patterns(
            images=self._source.read(plan) if self._on_device is None else self._on_device(plan, generator),
            labels={target.name: target.codes(plan.table[target.name]) for target in self._targets},
        )
