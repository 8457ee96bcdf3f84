"""What a network has to beat: an answer from the total intensity of the pattern alone.

The other baseline, always giving the most frequent answer, needs no patterns: `metrics.majority`.
"""

import itertools
import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier
from tqdm import tqdm

from evaluate.predictions import Split, predictions_table

if TYPE_CHECKING:
    from simulate.dataset import Dataset

logger = logging.getLogger(__name__)

LEAF_FRACTIONS = (1 / 30, 1 / 100, 1 / 300, 1 / 1000, 1 / 3000)
"""Sizes of the bins of intensity to choose from: at least these fractions of the training split."""


def total_photons(dataset: "Dataset", rows: slice) -> NDArray[np.float64]:
    """(n,) photons in each pattern as the detector reads it; read shard by shard."""
    start, stop, _ = rows.indices(len(dataset))
    size = dataset.patterns_per_shard
    edges = [start, *range(start - start % size + size, stop, size), stop]
    pieces = tqdm(list(itertools.pairwise(edges)), desc=f"photons of {dataset.name}", unit="shard", disable=None)
    return np.concatenate([dataset.read(slice(*piece)).sum(axis=(1, 2), dtype=float) for piece in pieces])


def total_intensity(dataset: "Dataset", split: Split = "test", seed: int = 0) -> pd.DataFrame:
    """Predictions of one split from the total photons of each pattern, as a table like a network's.

    A decision tree bins the intensity and answers with the classes of the training patterns in the bin: close to the
    best that one number allows, where bins are fine but filled. Their size is the one with the most validation patterns
    right. Each question gets its own most probable answer, as from the heads of a network. The tree sees
    only the order of intensities, so their logarithm would change nothing.
    """
    photons = {name: total_photons(dataset, dataset.splits[name])[:, None] for name in {"train", "validation", split}}
    shape = len(dataset.structures), len(dataset.hit_multiplicities)
    # One class more, the last, is of the shots that hit nothing.
    is_hit = dataset.structure >= 0
    classes = np.where(is_hit, dataset.structure * shape[1] + dataset.count, np.prod(shape))
    train, validation = classes[dataset.splits["train"]], classes[dataset.splits["validation"]]

    trees = [
        DecisionTreeClassifier(min_samples_leaf=fraction, random_state=seed).fit(photons["train"], train)
        for fraction in LEAF_FRACTIONS
    ]
    scores = [tree.score(photons["validation"], validation) for tree in trees]
    tree = trees[int(np.argmax(scores))]
    logger.info(
        "total intensity of %s: %d bins, %.1f %% of validation patterns right",
        *(dataset.name, tree.get_n_leaves(), 100 * max(scores)),
    )

    probabilities = np.zeros((len(photons[split]), np.prod(shape) + 1))
    probabilities[:, tree.classes_] = tree.predict_proba(photons[split])
    hits, nothing = probabilities[:, :-1].reshape(-1, *shape), probabilities[:, -1:]
    count, particle = hits.sum(axis=1), hits.sum(axis=2)
    count[:, np.array(dataset.hit_multiplicities) == 0] += nothing
    # Where nothing was hit, one structure is as good an answer as another.
    return predictions_table(dataset, dataset.splits[split], count, particle + nothing / shape[0])
