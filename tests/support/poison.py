"""Whether something hangs on patterns that it may not see: it has to come out the same when these are poison.

A pattern that may not be seen is made NaN, what is said of it wrong, and what is learned must stay the same to the bit.
Reading is no leak (a shard may hold patterns of every split), using is. So that each such test is known to be able to
fail, it is run a second time in a world that says of those patterns that they may be seen, where it has to.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.predictions.embeddings import Embedded
from frames.store.dataset import Dataset

World = TypeVar("World")

Outcome = Mapping[str, NDArray]
"""What was learned: numbers, or words, by name."""

COUNTS = 60_000
"""Poison in a dataset of counts, which know no NaN, unless a value is given."""


class Protocol(NamedTuple, Generic[World]):
    """One way to learn, or to choose, from patterns of which some may not be seen."""

    name: str
    learn: Callable[[World, Path], Outcome]
    """in an empty folder"""
    poison: Callable[[World], World]
    """the same world, what may not be seen being poison"""
    leaks: Mapping[str, Callable[[World], World]]
    """a world -> one that says of it that it may be seen; by what they say"""


class Leak(AssertionError):
    """What was learned hangs on what may not be seen."""


def must_not_see(protocol: Protocol[World], world: World, folder: Path, leak: str | None = None) -> None:
    """Leak where the protocol does not come to the same, or to no end, once what it may not see is poison.

    With the name of one of its leaks, in the world that says that it may be seen.
    """
    told = protocol.leaks[leak] if leak else lambda world: world
    honest = protocol.learn(told(world), _empty(folder / "honest"))
    try:
        poisoned = protocol.learn(told(protocol.poison(world)), _empty(folder / "poisoned"))
    except Exception as error:
        raise Leak(f"{protocol.name} uses what it may not see: {error}") from error
    assert honest
    if honest.keys() != poisoned.keys():
        raise Leak(f"{protocol.name}: {sorted(honest.keys() ^ poisoned.keys())} are there in one of two worlds alone")
    if differ := [name for name in honest if not _same(honest[name], poisoned[name])]:
        raise Leak(f"{protocol.name}: {', '.join(differ)} hang on what may not be seen")


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _same(one: NDArray, other: NDArray) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


# Datasets


LABELS = ("structure", "hit_multiplicity", "seed", "pulse_factor")
"""What is said of a pattern, and may be said wrongly."""


@dataclass(frozen=True)
class View(Dataset):
    """A dataset of which some patterns are poison, or whose splits are said to be others."""

    poison: NDArray[np.bool_]
    """(n,)"""
    value: float | None = np.nan
    """that their pixels read; None: what they are"""
    wrong: Collection[str] = LABELS
    """what is said of them wrongly"""
    said: Mapping[str, slice] | None = None
    """rows of the splits; None: as they are"""

    def read_raw(self, rows: slice) -> NDArray:
        raw = super().read_raw(rows).copy()
        if self.value is not None:
            no_value = raw.dtype == np.uint16 and np.isnan(self.value)
            raw[self.poison[rows]] = COUNTS if no_value else self.value
        return raw

    def _said(self, label: str, true: NDArray, wrong: NDArray) -> NDArray:
        return np.where(self.poison, wrong.astype(true.dtype), true) if label in self.wrong else true

    def labels(self, target: str) -> NDArray[np.int64]:
        true, n = super().labels(target), len(self.layout.target(target).classes)
        return self._said(target, true, np.where(true < 0, true, (true + 1) % n))

    @cached_property
    def seed(self) -> NDArray[np.uint64]:
        true = Dataset.seed.func(self)
        return self._said("seed", true, true + np.uint64(1))

    @cached_property
    def pulse_factor(self) -> NDArray[np.float32]:
        true = Dataset.pulse_factor.func(self)
        return self._said("pulse_factor", true, np.full(len(true), np.nan))

    @cached_property
    def splits(self) -> dict[str, slice]:
        return Dataset.splits.func(self) if self.said is None else dict(self.said)


def view(dataset: Dataset) -> View:
    """A dataset as it is."""
    if isinstance(dataset, View):
        return dataset
    return View(**{f.name: getattr(dataset, f.name) for f in fields(Dataset)}, poison=np.zeros(len(dataset), bool))


def in_splits(dataset: Dataset, *names: str) -> NDArray[np.bool_]:
    """(n,) which patterns are truly in one of these splits, whatever a view says."""
    rows = np.zeros(len(dataset), bool)
    for name in names:
        rows[Dataset.splits.func(dataset)[name]] = True
    return rows


def spoil(dataset: Dataset, rows: NDArray[np.bool_], **how: object) -> View:
    """A dataset with these patterns (n,) as poison."""
    spoiled = view(dataset)
    return replace(spoiled, poison=spoiled.poison | rows, **how)


def spoil_splits(*names: str, **how: object) -> Callable[[Dataset], View]:
    """Poison of all that is in these splits."""
    return lambda dataset: spoil(dataset, in_splits(dataset, *names), **how)


def said(dataset: Dataset, **splits: str) -> View:
    """A dataset that says of a split that all of another, and what lies between, is part of it: train="test"."""
    true = Dataset.splits.func(dataset)
    both = {name: (true[name], true[other]) for name, other in splits.items()}
    wider = {name: slice(min(s.start for s in of), max(s.stop for s in of)) for name, of in both.items()}
    return replace(view(dataset), said={**view(dataset).splits, **wider})


# Tables of predictions, and embeddings


def spoil_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions of which the test rows say nothing, and wrongly what was shot."""
    spoiled, test = predictions.copy(), predictions["split"] == "test"
    for column in predictions:
        if column.startswith("p_"):
            spoiled.loc[test, column] = np.nan
    for column in ("structure", "hit_multiplicity"):
        known = sorted(set(predictions[column]))
        wrong = _next(predictions[column].to_numpy(), known)
        spoiled[column] = np.where(test, wrong, predictions[column])
    return spoiled


def validating(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions that say of nearly all test patterns that they validate."""
    most = (predictions["split"] == "test") & (np.arange(len(predictions)) < len(predictions) - 20)
    return predictions.assign(split=predictions["split"].where(~most, "validation"))


def turned(some: Embedded, split: str = "test") -> Embedded:
    """Embeddings that say of single hits in a split that they are double ones, and of all others that they are single.

    Who answers without knowing that is right where he was wrong.
    """
    number = np.where(some.hit_multiplicity == 1, 2, 1)
    return some._replace(hit_multiplicity=np.where(some.split == split, number, some.hit_multiplicity))


def _next(values: NDArray, known: object) -> NDArray:
    """Each value exchanged for the one after it among all known ones."""
    ordered = np.sort(np.asarray(known))
    return ordered[(np.searchsorted(ordered, values) + 1) % len(ordered)]
