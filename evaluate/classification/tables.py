"""The tables of a run: tidy CSV, with a .json of the same name that says where the numbers come from."""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluate.classification import confusions, curves, trained
from evaluate.metrics import by_target
from evaluate.metrics.confusion import per_class
from evaluate.predictions.labels import target_labels
from evaluate.predictions.predictions import read_predictions
from evaluate.run.files import RunFiles
from evaluate.run.outputs import BASELINE_SEED, predictors, transfers
from evaluate.run.sections import MAJORITY
from evaluate.run.study import Study
from evaluate.table_files import write_table
from frames.store.dataset import Dataset, open_dataset
from frames.targets import Target

_WHICH = {
    "run": "name of the run",
    "dataset": "dataset of the run: how its patterns were recorded",
    "model": "name in the config of what was trained, or of a baseline",
    "seed": "of the training",
}


def accuracy_columns(targets: Sequence[Target]) -> dict[str, str]:
    """Column of cnn.csv -> meaning, of all that depends on what a dataset asks."""
    whole = {
        f"{t.name}_accuracy": f"of the patterns that have an answer, fraction with the {t.name} right" for t in targets
    }
    kept = {
        f"{t.name}_{t.kept}_accuracy": f"fraction rightly told to be {t.name} {t.kept}, or not; to be it where its "
        "probability is above 1/2"
        for t in targets
        if t.kept is not None
    }
    lone = by_target.lone_target(targets)
    of_kept = (
        {
            "lone_accuracy": f"of the patterns of which {lone.name} is {lone.kept}, fraction with every other answer "
            "right; empty where that is not known"
        }
        if lone
        else {}
    )
    return {
        "n_test": "held-out patterns judged on",
        "test_accuracy": "fraction with every answer right that there is",
        **whole,
        **of_kept,
        **kept,
        "majority_accuracy": "test_accuracy of always answering the training split's most frequent class",
    }


COLUMNS: Mapping[str, Mapping[str, str]] = {
    "cnn": {**_WHICH, "n_train": "patterns learned from"},
    "per_class": _WHICH,
    "calibration": {
        **_WHICH,
        "target": "question, as hit_multiplicity or structure; or one class against all others, as hit_multiplicity_1",
        "n_validation": "patterns that the temperature was fitted to",
        "n_test": "held-out patterns judged on",
        "temperature": "that the logits are divided by: above 1 where answers were too sure",
        "ece_before": "expected calibration error: mean gap between confidence and accuracy",
        "ece_after": "the same with the temperature",
        "nll_before": "negative log-likelihood of the truth, nats a pattern",
        "nll_after": "the same with the temperature",
    },
    "selection": {
        **_WHICH,
        "target": "question of which one class is kept: of hit_multiplicity, single hits",
        "target_purity": "purity asked for",
        "threshold": "least probability of that class that is kept, chosen on the validation split; empty where none "
        "there can be trusted to reach the purity",
        "purity": "of the test patterns kept, fraction that are of the class; empty where none is kept",
        "yield": "of the test patterns of the class, fraction kept",
        "n_test": "held-out patterns judged on",
        "single_fraction": "of them, fraction of the class: the purity without selection",
    },
    **{name: {**_WHICH, **columns} for part in (confusions, curves, trained) for name, columns in part.COLUMNS.items()},
    "generalisation": {
        "run": _WHICH["run"],
        "trained_on": "dataset of the run that was learned from",
        **{key: _WHICH[key] for key in ("dataset", "model", "seed")},
        "in_distribution_accuracy": "test_accuracy on the test split of the dataset trained on",
    },
}
"""Table that `write_tables` writes -> column -> meaning; but for accuracies, see `columns_for`."""


def class_columns(targets: Sequence[Target]) -> dict[str, str]:
    """Column of per_class.csv -> meaning, of all that depends on what a dataset asks."""
    return {
        **{t.name: f"true {t.name}; {'-1' if t.is_number else 'none'}: it has none" for t in reversed(targets)},
        "n": "test patterns of this class",
        "recall": "fraction of them with every answer right that there is",
        **{f"{t.name}_recall": f"fraction with the {t.name} right; empty where there is none" for t in targets},
        "precision": "fraction of the answers naming this class that were right; empty where it was never named",
    }


def columns_for(targets: Sequence[Target]) -> dict[str, Mapping[str, str]]:
    """`COLUMNS`, with the accuracies that come of these questions."""
    last, own = accuracy_columns(targets), dict(COLUMNS["generalisation"])
    own_accuracy = {"in_distribution_accuracy": own.pop("in_distribution_accuracy")}
    return {
        **COLUMNS,
        "per_class": {**COLUMNS["per_class"], **class_columns(targets)},
        "cnn": {**COLUMNS["cnn"], **last},
        "generalisation": {**own, **last, **own_accuracy},
        "history": {**COLUMNS["history"], **trained.history_accuracies(targets)},
    }


def model_tables(predictions: pd.DataFrame, targets: Sequence[Target]) -> dict[str, pd.DataFrame]:
    """Rows of the tables about one model, from its predictions of the validation and test splits."""
    test = predictions[predictions["split"] == "test"]
    return {
        "per_class": per_class(test, targets),
        "calibration": by_target.calibration(predictions, targets),
        "selection": by_target.operating_points(predictions, targets),
        "confusion": confusions.confusion_rows(test, targets),
        "per_label": confusions.label_rows(test, targets),
        "heads": confusions.head_rows(test, targets),
        "reliability": curves.reliability_rows(predictions, targets),
        "purity": curves.purity_rows(predictions, targets),
    }


def score_row(train: pd.DataFrame, predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """The row of cnn.csv, from what was learned from, as of `target_labels`, and the predictions of a test split."""
    found = by_target.accuracies(predictions, targets)
    lone = {"lone_accuracy": by_target.lone_accuracy(predictions, targets)} if by_target.lone_target(targets) else {}
    return _score_row(train, predictions, targets, {**found, **lone})


def majority_row(train: pd.DataFrame, shown: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """The row of cnn.csv of always answering the most frequent class, from `target_labels` of both splits."""
    lone = {"lone_accuracy": math.nan} if by_target.lone_target(targets) else {}
    return _score_row(train, shown, targets, {**by_target.majority(train, shown, targets), **lone})


def _score_row(
    train: pd.DataFrame, shown: pd.DataFrame, targets: Sequence[Target], accuracies: Mapping[str, float]
) -> pd.DataFrame:
    majority = by_target.majority(train, shown, targets)["test_accuracy"]
    return pd.DataFrame([{"n_train": len(train), "n_test": len(shown), **accuracies, "majority_accuracy": majority}])


def write_tables(files: RunFiles, study: Study, provenance: Mapping[str, Any]) -> None:
    """Write the tables that come of the predictions of every network and baseline.

    Raises
    ------
    FileNotFoundError if predictions are missing; ValueError if they are not of the splits they should be of.
    """

    @cache
    def opened(name: str) -> Dataset:
        return open_dataset(files.dataset(name))

    @cache
    def labels(name: str, split: str) -> pd.DataFrame:
        return target_labels(opened(name), split)

    def read(path: Path, name: str, *splits: str) -> pd.DataFrame:
        predictions = read_predictions(path, None)
        for split in splits:
            known = labels(name, split)
            told = predictions.loc[predictions["split"] == split, list(known)]
            if not np.array_equal(told.to_numpy(object), known.to_numpy(object)):
                raise ValueError(f"{path} is not about the {split} split of {name}; delete it and predict again")
        return predictions

    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    in_distribution = {}
    for condition, learners in itertools.groupby(predictors(study), key=itemgetter(0)):
        targets, train = opened(condition).targets, labels(condition, "train")
        for _, model, seed in learners:
            predictions = read(files.predictions(condition, model, seed), condition, "validation", "test")
            score = score_row(train, predictions[predictions["split"] == "test"], targets)
            in_distribution[condition, model, seed] = score["test_accuracy"].item()
            for name, table in {"cnn": score, **model_tables(predictions, targets)}.items():
                tables[name].append(table.assign(dataset=condition, model=model, seed=seed))
        of_majority = {"dataset": condition, "model": MAJORITY, "seed": BASELINE_SEED}
        tables["cnn"].append(majority_row(train, labels(condition, "test"), targets).assign(**of_majority))
        for split in ("validation", "test"):
            rows = confusions.majority_rows(split, train, labels(condition, split), targets)
            tables["heads"].append(rows.assign(**of_majority))
    for trained_on, model, seed, condition in transfers(study):
        predictions = read(files.predictions(trained_on, model, seed, condition), condition, "test")
        table = score_row(labels(trained_on, "train"), predictions, opened(condition).targets)
        of = {"trained_on": trained_on, "dataset": condition, "model": model, "seed": seed}
        own = in_distribution[trained_on, model, seed]
        tables["generalisation"].append(table.assign(**of, in_distribution_accuracy=own))
    tables |= trained.training_rows(files, study)
    asked = [target for name in study.trained.conditions for target in opened(name).targets]
    columns = columns_for(list({target.name: target for target in asked}.values()))
    for name, parts in tables.items():
        if parts:
            write_table(pd.concat(parts).assign(run=study.run), files.table(name), columns[name], provenance)
