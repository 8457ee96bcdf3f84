"""What baselines share: classes as numbers, answers as those of a network's heads."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frames.targets import Target

if TYPE_CHECKING:
    from frames.store.dataset import Dataset


def _shape(targets: Sequence[Target]) -> tuple[int, ...]:
    """Answers to each question, none the last of them: the last question first, as it goes slowest."""
    return tuple(len(target.classes) + 1 for target in reversed(targets))


def n_classes(dataset: "Dataset") -> int:
    """Of answers to all questions together, none among those of each."""
    return math.prod(_shape(dataset.targets))


def classes(dataset: "Dataset", rows: slice) -> NDArray[np.int64]:
    """(n,) class of each pattern, counted from 0."""
    codes = [(dataset.labels(target.name)[rows], len(target.classes)) for target in reversed(dataset.targets)]
    numbers = tuple(np.where(code < 0, none, code) for code, none in codes)
    return np.ravel_multi_index(numbers, _shape(dataset.targets)).astype(np.int64)


def heads(shares: NDArray[np.float64], dataset: "Dataset") -> tuple[NDArray[np.float64], ...]:
    """Probabilities of classes (n, n_classes) as answers to each question, summed over the others.

    So each question gets its own most probable answer, as from the heads of a network. Where a question has no answer,
    one is as good as another.
    """
    targets = dataset.targets
    together = shares.reshape(len(shares), *_shape(targets))
    found = []
    for number in range(len(targets)):
        axis = len(targets) - number  # after the patterns', the last question comes first
        others = tuple(other for other in range(1, together.ndim) if other != axis)
        own = together.sum(axis=others)
        found.append(own[:, :-1] + own[:, -1:] / (own.shape[1] - 1))
    return tuple(found)


def must_be_alike(learned: "Dataset", asked: "Dataset") -> None:
    """ValueError unless questions and images of a dataset are those of the one that was learned from."""
    for what, ours, theirs in (
        ("questions", _said(learned), _said(asked)),
        ("image shape", tuple(learned.shape[1:]), tuple(asked.shape[1:])),
    ):
        if ours != theirs:
            raise ValueError(
                f"{what} of dataset {asked.name}: {theirs}, but the baseline learned from {learned.name} "
                f"with {ours}; choose a dataset of the same run"
            )


def _said(dataset: "Dataset") -> dict[str, tuple[str | int, ...]]:
    return {target.name: target.classes for target in dataset.targets}
