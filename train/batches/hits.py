"""Frames of crystals as networks that find hits take them: prepared once, held in memory, drawn in batches."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from train.batches.batches import Patterns
from train.config.hit_recipe import HitRecipe

UNLABELLED = -1

Order = Literal["shuffled", "sequential"]

SOURCE, TARGET = 0, 1
"""Domains."""


@dataclass(frozen=True)
class HitData:
    """Prepared frames of one dataset."""

    name: str
    inputs: NDArray
    """(n, ...) float16 or float32: images (n, p, p), vectors (n, c, p) or candidates (n, k, features)"""
    label: NDArray[np.int64]
    """(n,) 0 miss, 1 maybe, 2 hit; UNLABELLED"""
    row: NDArray[np.int64]
    """(n,) of the dataset"""

    def __post_init__(self) -> None:
        if not len(self.inputs) == len(self.label) == len(self.row):
            raise ValueError(
                f"{self.name}: {len(self.inputs)} frames, {len(self.label)} labels and {len(self.row)} rows; "
                "expected as many of each: are the labels those of another file?"
            )

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: NDArray[np.int64]) -> "HitData":
        """These of its frames."""
        return HitData(self.name, self.inputs[rows], self.label[rows], self.row[rows])

    def unlabelled(self) -> "HitData":
        """The same, its labels forgotten."""
        return replace(self, label=np.full(len(self), UNLABELLED))

    def join(self, other: "HitData") -> "HitData":
        """These and then the others."""
        return HitData(
            f"{self.name}+{other.name}",
            *(np.concatenate((getattr(self, field), getattr(other, field))) for field in ("inputs", "label", "row")),
        )


class Split(NamedTuple):
    """Rows of a dataset."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_rows(n: int, sizes: tuple[int, int, int], order: Order, seed: int, name: str = "the dataset") -> Split:
    """Rows of n frames for training, validation and test: as they were taken, or shuffled by the seed.

    ValueError where there are fewer frames.
    """
    if sum(sizes) > n:
        raise ValueError(f"{name} has {n} frames, but {' + '.join(map(str, sizes))} are asked for; ask for fewer")
    rows = np.arange(n) if order == "sequential" else np.random.default_rng((seed, n)).permutation(n)
    ends = np.cumsum(sizes)
    return Split(*(np.sort(part) for part in np.split(rows, ends)[:3]))


class HitBatches:
    """Frames in batches, each once an epoch or, where the recipe says so, classes drawn as often as each other.

    The order, and how a frame is turned and cut, follows from the seed and the epoch's number alone.
    """

    def __init__(self, data: HitData, recipe: HitRecipe, seed: int, domain: int = SOURCE):
        self.data, self.recipe, self.seed, self.domain = data, recipe, seed, domain
        if recipe.class_balanced and (data.label < 0).any():
            raise ValueError(f"{data.name} has frames without a label, of which no classes can be drawn")

    @property
    def n_patterns(self) -> int:
        """Frames in an epoch."""
        return len(self.data) if self.recipe.steps is None else self.recipe.steps * self.recipe.batch_size

    def __len__(self) -> int:
        return math.ceil(self.n_patterns / self.recipe.batch_size)

    def epoch(self, number: int = 0) -> Iterator[Patterns]:
        """The batches of epoch `number`; labels are `hit` and `domain`."""
        generator = np.random.default_rng((self.seed, number, self.domain))
        order = self._order(generator)
        for start in range(0, len(order), self.recipe.batch_size):
            yield self.batch(order[start : start + self.recipe.batch_size], generator)

    def batch(self, rows: NDArray[np.int64], generator: np.random.Generator) -> Patterns:
        """These rows, augmented."""
        inputs = varied(self.data.inputs[rows].astype(np.float32), self.recipe, generator)
        return Patterns(inputs, {"hit": self.data.label[rows], "domain": np.full(len(rows), self.domain)})

    def _order(self, generator: np.random.Generator) -> NDArray[np.int64]:
        n = self.n_patterns
        if not self.recipe.class_balanced:
            rounds = math.ceil(n / len(self.data))
            return np.concatenate([generator.permutation(len(self.data)) for _ in range(rounds)])[:n]
        members = [np.flatnonzero(self.data.label == label) for label in np.unique(self.data.label)]
        return np.array([generator.choice(members[drawn]) for drawn in generator.integers(len(members), size=n)])


class DomainBatches(HitBatches):
    """Half of every batch from a labelled source, half from a target without labels."""

    def __init__(self, source: HitData, target: HitData, recipe: HitRecipe, seed: int):
        super().__init__(source, recipe, seed)
        if recipe.batch_size % 2:
            raise ValueError(f"batch_size is {recipe.batch_size}, expected an even number: half source, half target")
        each = replace(recipe, batch_size=recipe.batch_size // 2)
        self.halves = (
            HitBatches(source, each, seed, SOURCE),
            HitBatches(target.unlabelled(), replace(each, class_balanced=False, steps=None), seed, TARGET),
        )

    @property
    def n_patterns(self) -> int:
        """Frames in an epoch, of both."""
        return 2 * self.halves[0].n_patterns

    def epoch(self, number: int = 0) -> Iterator[Patterns]:
        """Every frame of the source once, beside as many of the target."""
        source, target = self.halves
        generator = np.random.default_rng((self.seed, number, TARGET))
        rounds = math.ceil(source.n_patterns / len(target.data))
        order = np.concatenate([generator.permutation(len(target.data)) for _ in range(rounds)])
        start = 0
        for ours in source.epoch(number):
            theirs = target.batch(order[start : start + len(ours)], generator)
            start += len(ours)
            yield ours.join(theirs)


def varied(inputs: NDArray[np.float32], recipe: HitRecipe, generator: np.random.Generator) -> NDArray[np.float32]:
    """Frames turned and mirrored, which changes no answer, and cut where the recipe says; candidates as they are.

    Of candidates there is nothing to turn: no number of theirs has a direction.
    """
    if recipe.crop is not None and inputs.ndim == 3 and inputs.shape[1] == inputs.shape[2] > recipe.crop:
        places = generator.integers(inputs.shape[1] - recipe.crop + 1, size=(len(inputs), 2))
        inputs = np.stack(
            [
                image[top : top + recipe.crop, left : left + recipe.crop]
                for image, (top, left) in zip(inputs, places, strict=True)
            ]
        )
    if not recipe.turn:
        return inputs
    if inputs.shape[1] == inputs.shape[2]:
        turns = generator.integers(8, size=len(inputs))
        return np.stack(
            [np.rot90(image.T if turn & 4 else image, turn & 3) for image, turn in zip(inputs, turns, strict=True)]
        )
    if inputs.shape[1] <= 2:
        is_mirrored = generator.random(len(inputs)) < 0.5
        inputs[is_mirrored] = inputs[is_mirrored, :, ::-1]
    return inputs


def centred(inputs: NDArray, recipe: HitRecipe) -> NDArray:
    """Images as they are tested: their middle where the recipe cuts in training; all else as it is."""
    if recipe.crop is None or inputs.ndim != 3 or not inputs.shape[1] == inputs.shape[2] > recipe.crop:
        return inputs
    start = (inputs.shape[1] - recipe.crop) // 2
    return inputs[:, start : start + recipe.crop, start : start + recipe.crop]
