"""What baselines share: classes as numbers, answers as those of a network's two heads, patterns read by shards."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from frames.store.dataset import Dataset


def n_classes(dataset: "Dataset") -> int:
    """Structures times hit multiplicities, and one more, the last, of the shots that hit nothing."""
    return len(dataset.structures) * len(dataset.hit_multiplicities) + 1


def classes(dataset: "Dataset", rows: slice) -> NDArray[np.int64]:
    """(n,) class of each pattern, counted from 0."""
    structure, count = dataset.structure[rows], dataset.count[rows]
    return np.where(structure >= 0, structure * len(dataset.hit_multiplicities) + count, n_classes(dataset) - 1)


def heads(shares: NDArray[np.float64], dataset: "Dataset") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of classes (n, n_classes) as answers to the two questions, each summed over the other.

    So each question gets its own most probable answer, as from the heads of a network.
    """
    n_structures = len(dataset.structures)
    hits, nothing = shares[:, :-1].reshape(len(shares), n_structures, -1), shares[:, -1:]
    count, particle = hits.sum(axis=1), hits.sum(axis=2)
    count[:, np.array(dataset.hit_multiplicities) == 0] += nothing
    # Where nothing was hit, one structure is as good an answer as another.
    return count, particle + nothing / n_structures


def must_be_alike(learned: "Dataset", asked: "Dataset") -> None:
    """ValueError unless classes and images of a dataset are those of the one that was learned from."""
    for what, ours, theirs in (
        ("structures", learned.structures, asked.structures),
        ("hit multiplicities", learned.hit_multiplicities, asked.hit_multiplicities),
        ("image shape", learned.shape[1:], asked.shape[1:]),
    ):
        if tuple(ours) != tuple(theirs):
            raise ValueError(
                f"{what} of dataset {asked.name} are {tuple(theirs)}, but the baseline learned from {learned.name} "
                f"with {tuple(ours)}; choose a dataset of the same run"
            )
