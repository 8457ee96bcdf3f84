"""What is true of the patterns that predictions are about."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.labels import NO_STRUCTURE
from frames.store.dataset import Dataset


class Labels(NamedTuple):
    """What n patterns are, or what they were taken for."""

    structure: NDArray
    """(n,) ids, or any other labels that can be compared; of no meaning where no particle was hit"""
    hit_multiplicity: NDArray[np.integer]
    """(n,) particles in the shot"""
    is_single: NDArray[np.bool_]
    """(n,) one particle rather than all other numbers together: 1 may be the likeliest number of a multiple hit"""


def labels_of(dataset: Dataset, split: str) -> Labels:
    """What the patterns of one split are."""
    rows = dataset.splits[split]
    structures = np.array([*dataset.structures, NO_STRUCTURE])  # -1 is the last of them
    hit_multiplicity = dataset.hit_multiplicity[rows]
    return Labels(structures[dataset.structure[rows]], hit_multiplicity, hit_multiplicity == 1)


def target_labels(dataset: Dataset, split: str) -> pd.DataFrame:
    """What the patterns of one split are: a column for each target of the dataset, as predictions have it."""
    rows = dataset.splits[split]
    return pd.DataFrame({target.name: target.values(dataset.labels(target.name)[rows]) for target in dataset.targets})
