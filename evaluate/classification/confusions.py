"""What each network and baseline takes for what: the tables confusion, per_label and heads."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.metrics import accuracy as metrics
from evaluate.metrics import by_target
from evaluate.metrics.confusion import joint_counts
from evaluate.run.outputs import BOTH
from frames.targets import Target

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "confusion": {
        "target": "question, as hit_multiplicity or structure; both: all of them together",
        "label": "true class, of both as `4 × 1ss8`",
        "predicted": "class that it was taken for",
        "n": "test patterns; pairs that never occurred are left out",
    },
    "per_label": {
        "target": "question, as hit_multiplicity or structure",
        "label": "true class",
        "n": "test patterns of this class",
        "recall": "fraction of them taken for it; empty where there is none",
        "precision": "fraction of what was taken for it that is; empty where nothing was",
    },
    "heads": {
        "split": "test; of the majority, validation too",
        "target": "question, as hit_multiplicity or structure; both: all of them together",
        "n": "patterns asked",
        "accuracy": "fraction right",
        "collapsed": "True where patterns that differ all got one answer",
    },
}
"""Table -> column -> meaning, but for those that say whose predictions they are."""


def confusion_rows(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """Rows of confusion.csv from the test rows of predictions; joint classes only of two questions."""
    parts = [_sparse(t.name, by_target.confusion(predictions, t), [str(label) for label in t.classes]) for t in targets]
    if len(targets) == 2:
        joint = joint_counts(predictions, targets)
        joint.insert(0, "target", BOTH)
        parts.append(joint)
    return pd.concat(parts)


def _sparse(target: str, matrix: NDArray[np.int64], labels: Sequence[str]) -> pd.DataFrame:
    rows, columns = np.nonzero(matrix)
    label = np.array(labels, dtype=object)
    return pd.DataFrame(
        {"target": target, "label": label[rows], "predicted": label[columns], "n": matrix[rows, columns]}
    )


def label_rows(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """Rows of per_label.csv from the test rows of predictions."""
    found = {target: by_target.confusion(predictions, target) for target in targets}
    return pd.concat(
        pd.DataFrame(
            {
                "target": target.name,
                "label": [str(label) for label in target.classes],
                "n": matrix.sum(axis=1),
                "recall": metrics.recall(matrix),
                "precision": metrics.precision(matrix),
            }
        )
        for target, matrix in found.items()
    )


def head_rows(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """Rows of heads.csv from the test rows of predictions."""
    accuracies, collapsed = by_target.accuracies(predictions, targets), by_target.collapsed(predictions, targets)
    return _heads("test", accuracies, predictions, targets, collapsed)


def majority_rows(split: str, train: pd.DataFrame, shown: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """Rows of heads.csv of the training split's majority, evaluated on a split: `target_labels` of both."""
    return _heads(split, by_target.majority(train, shown, targets), shown, targets)


def _heads(
    split: str,
    accuracies: Mapping[str, float],
    shown: pd.DataFrame,
    targets: Sequence[Target],
    collapsed: Sequence[str] = (),
) -> pd.DataFrame:
    n = {target.name: by_target.asked(shown, target) for target in targets}
    fractions = {target: accuracies[f"{target}_accuracy"] for target in n}
    return pd.DataFrame(
        {"split": split, "target": target, "n": asked, "accuracy": right, "collapsed": target in collapsed}
        for target, asked, right in (
            (BOTH, len(shown), accuracies["test_accuracy"]),
            *((name, n[name], fractions[name]) for name in n),
        )
    )
