"""A prediction from the total intensity of the pattern alone."""

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from evaluate.baselines.joint_classes import classes, heads, must_be_alike, n_classes
from evaluate.predictions.predictions import Predictor
from frames.store.dataset import by_shard

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

logger = logging.getLogger(__name__)

LEAF_FRACTIONS = (1 / 30, 1 / 100, 1 / 300, 1 / 1000, 1 / 3000)
"""Sizes of the bins of intensity to choose from: at least these fractions of the training split."""


def total_photons(dataset: "Dataset", rows: slice) -> NDArray[np.float64]:
    """(n,) photons in each pattern as the detector reads it."""
    return by_shard(dataset, rows, lambda images: images.sum(axis=(1, 2), dtype=float), "photons")


def learn(dataset: "Dataset", seed: int) -> Predictor:
    """What the total photons of each pattern predict.

    A decision tree bins the intensity and predicts the classes of the training patterns in the bin: close to the
    best that one number allows, where bins are fine but filled. Their size is the one with the most validation patterns
    right. The tree sees only the order of intensities, so their logarithm would change nothing.
    """
    rows = {name: dataset.splits[name] for name in ("train", "validation")}
    photons = {name: total_photons(dataset, these)[:, None] for name, these in rows.items()}
    known = {name: classes(dataset, these) for name, these in rows.items()}
    trees = [
        DecisionTreeClassifier(min_samples_leaf=fraction, random_state=seed).fit(photons["train"], known["train"])
        for fraction in LEAF_FRACTIONS
    ]
    scores = [tree.score(photons["validation"], known["validation"]) for tree in trees]
    tree = trees[int(np.argmax(scores))]
    logger.info(
        "total intensity of %s: %d bins, %.1f %% of validation patterns right",
        *(dataset.name, tree.get_n_leaves(), 100 * max(scores)),
    )

    def predict(asked: "Dataset", rows: slice) -> tuple[NDArray[np.float64], ...]:
        must_be_alike(dataset, asked)
        photons = total_photons(asked, rows)[:, None]
        shares = np.zeros((len(photons), n_classes(asked)))
        shares[:, tree.classes_] = tree.predict_proba(photons)
        return heads(shares, asked)

    return predict
