"""Predictions as a tidy table: one row per pattern, label and prediction side by side.

| column | meaning |
| --- | --- |
| split | validation or test; what is evaluated on another dataset than it was trained on has its test split alone |
| pattern | row of the dataset |
| <target>, as hit_multiplicity, structure | what was recorded; `none` where there is no answer: no particle was hit |
| predicted_<target> | the most probable class |
| p_<target>_<class> | probabilities of all classes |
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from frames.files import read_table, write_table
from frames.labels import SPLITS

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

Split = Literal["train", "validation", "test"]

Predictor = Callable[["Dataset", slice], tuple[NDArray[np.floating], ...]]
"""A network, or a baseline: rows of a dataset -> the probabilities of `predictions_table`."""


def predict_splits(predictor: Predictor, dataset: "Dataset", splits: Sequence[Split]) -> pd.DataFrame:
    """The predictions for these splits of a dataset; ValueError where the two do not suit each other."""
    rows = [dataset.splits[split] for split in splits]
    return pd.concat([predictions_table(dataset, of, *predictor(dataset, of)) for of in rows], ignore_index=True)


def predictions_table(dataset: "Dataset", rows: slice, *probabilities: NDArray[np.floating]) -> pd.DataFrame:
    """The table of some rows of a dataset.

    Parameters
    ----------
    probabilities : of each target, in the order of `dataset.targets`, (n, classes) in the order of its classes.

    Raises
    ------
    ValueError if there is not one probability per row and class, or one of them is not finite.
    """
    patterns = np.arange(len(dataset))[rows]
    ends = [dataset.splits[split].stop for split in SPLITS]
    by_target = dict(zip(dataset.targets, probabilities, strict=True))
    for target, values in by_target.items():
        if values.shape != (expected := (len(patterns), len(target.classes))):
            raise ValueError(f"probabilities of shape {values.shape}, expected {expected} for {dataset.name}")
        if not np.isfinite(values).all():
            raise ValueError(f"probabilities for {dataset.name} are not all finite: the training has diverged")
    return pd.DataFrame(
        {
            "split": np.array(SPLITS)[np.searchsorted(ends, patterns, side="right")],
            "pattern": patterns,
            **{target.name: target.values(dataset.labels(target.name)[rows]) for target in by_target},
            **{f"predicted_{target.name}": target.values(p.argmax(axis=1)) for target, p in by_target.items()},
            **{
                f"p_{target.name}_{value}": p[:, index]
                for target, p in by_target.items()
                for index, value in enumerate(target.classes)
            },
        }
    )


def probability_columns(predictions: pd.DataFrame) -> dict[str, list[str]]:
    """Target -> the columns of its probabilities, in the order of its classes.

    Of targets `hit` and `hit_multiplicity`, `p_hit_multiplicity_1` is one of the latter.
    """
    targets = [name.removeprefix("predicted_") for name in predictions if str(name).startswith("predicted_")]
    found: dict[str, list[str]] = {target: [] for target in targets}
    for column in predictions:
        if matching := [target for target in targets if str(column).startswith(f"p_{target}_")]:
            found[max(matching, key=len)].append(column)
    return found


def averaged(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of the mean probabilities of several; ValueError unless all are about the same patterns."""
    first, *others = tables
    probabilities = probability_columns(first)
    columns = [name for names in probabilities.values() for name in names]
    about = ["split", "pattern", *probabilities]
    for other in others:
        if list(other) != list(first) or not other[about].equals(first[about]):
            raise ValueError("these predictions are not about the same patterns; delete the predictions and run again")
    mean = first.assign(**dict(zip(columns, np.mean([table[columns] for table in tables], axis=0).T, strict=True)))
    for target, names in probabilities.items():
        labels = np.array([name.removeprefix(f"p_{target}_") for name in names])
        labels = labels.astype(first[target].to_numpy().dtype)
        mean[f"predicted_{target}"] = labels[mean[names].to_numpy().argmax(axis=1)]
    return mean


def write_predictions(predictions: pd.DataFrame, path: Path | str) -> None:
    """Write as Parquet, atomically."""
    write_table(path, pa.Table.from_pandas(predictions, preserve_index=False))


def read_predictions(path: Path | str, split: Split | None = "test") -> pd.DataFrame:
    """Read a table written by `write_predictions`: the rows of one split, or all."""
    predictions = read_table(path).to_pandas()
    return predictions if split is None else predictions[predictions["split"] == split].reset_index(drop=True)
