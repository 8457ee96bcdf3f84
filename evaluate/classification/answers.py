"""What each network and baseline takes for what: the tables confusion, per_label and heads."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.metrics import accuracy as metrics
from evaluate.metrics.accuracy import Accuracies
from evaluate.metrics.confusion import HEADS, class_matrix, classes_shot, collapsed_heads, confusions
from evaluate.predictions.predictions import asked_of
from frames.labels import NO_STRUCTURE
from frames.store.dataset import Dataset

BOTH = "both"
"""Target of the joint classes: a structure and how many of it."""

ACCURACY_OF = {BOTH: "test_accuracy", "hit_multiplicity": "count_accuracy", "structure": "particle_accuracy"}
"""Target -> its accuracy, of all that `Accuracies` has."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "confusion": {
        "target": "question: hit_multiplicity, structure, or both together",
        "label": "true class, of both as `4 × 1ss8`",
        "predicted": "class that it was taken for",
        "n": "test patterns; pairs that never occurred are left out",
    },
    "per_label": {
        "target": "question: hit_multiplicity or structure",
        "label": "true class",
        "n": "test patterns of this class",
        "recall": "fraction of them taken for it; empty where there is none",
        "precision": "fraction of what was taken for it that is; empty where nothing was",
    },
    "heads": {
        "split": "test; of the majority, validation too",
        "target": "question: hit_multiplicity, structure, or both together",
        "n": "patterns asked",
        "accuracy": "fraction right",
        "collapsed": "True where patterns that differ all got one answer",
    },
}
"""Table -> column -> meaning, but for those that say whose answers they are."""


def joint_labels(classes: Sequence[tuple[str, int]]) -> list[str]:
    """What the joint classes are called: `4 × 1ss8`; `none`, where no particle was hit."""
    return [f"{n} × {structure}" if n else structure for structure, n in classes]


def confusion_rows(predictions: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Rows of confusion.csv from the test rows of predictions."""
    classes = classes_shot(dataset.structures, dataset.hit_multiplicities)
    by_target = confusions(predictions, dataset)
    labels = {"hit_multiplicity": dataset.hit_multiplicities, "structure": dataset.structures}
    parts = [_sparse(name, by_target[name], [str(label) for label in of]) for name, of in labels.items()]
    return pd.concat([*parts, _sparse(BOTH, class_matrix(predictions, classes), joint_labels(classes))])


def _sparse(target: str, matrix: NDArray[np.int64], labels: Sequence[str]) -> pd.DataFrame:
    rows, columns = np.nonzero(matrix)
    names = np.array(labels, dtype=object)
    return pd.DataFrame(
        {"target": target, "label": names[rows], "predicted": names[columns], "n": matrix[rows, columns]}
    )


def label_rows(predictions: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Rows of per_label.csv from the test rows of predictions."""
    found = confusions(predictions, dataset)
    labels: dict[str, Sequence[Any]] = {
        "hit_multiplicity": dataset.hit_multiplicities,
        "structure": dataset.structures,
    }
    return pd.concat(
        pd.DataFrame(
            {
                "target": target,
                "label": [str(label) for label in of],
                "n": found[target].sum(axis=1),
                "recall": metrics.recall(found[target]),
                "precision": metrics.precision(found[target]),
            }
        )
        for target, of in labels.items()
    )


def head_rows(predictions: pd.DataFrame, accuracies: Accuracies) -> pd.DataFrame:
    """Rows of heads.csv from the test rows of predictions and how often these are right."""
    collapsed = {HEADS[head] for head in collapsed_heads(predictions)}
    asked = {target: len(asked_of(predictions, target)) for target in HEADS.values()} | {BOTH: len(predictions)}
    return _heads("test", accuracies, asked, collapsed)


def majority_rows(split: str, accuracies: Accuracies, structures: NDArray) -> pd.DataFrame:
    """Rows of heads.csv of the majority, asked for the patterns (n,) of a split with these structures."""
    hit = int((structures != NO_STRUCTURE).sum())
    return _heads(split, accuracies, {"hit_multiplicity": len(structures), "structure": hit, BOTH: len(structures)})


def _heads(
    split: str, accuracies: Accuracies, asked: Mapping[str, int], collapsed: frozenset[str] | set[str] = frozenset()
) -> pd.DataFrame:
    fractions = asdict(accuracies)
    return pd.DataFrame(
        {
            "split": split,
            "target": target,
            "n": asked[target],
            "accuracy": fractions[question],
            "collapsed": target in collapsed,
        }
        for target, question in ACCURACY_OF.items()
    )
