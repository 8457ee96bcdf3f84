"""The tables of a run: tidy CSV, with a .json of the same name that says where the numbers come from."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluate.classification import answers, curves, trained
from evaluate.metrics import accuracy as metrics
from evaluate.metrics.accuracy import Accuracies
from evaluate.metrics.calibration import calibrate
from evaluate.metrics.confusion import per_class
from evaluate.metrics.operating_points import operating_points
from evaluate.predictions.labels import Labels, labels_of
from evaluate.predictions.predictions import answer, read_predictions, truth
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import BASELINE_SEED, predictors, transfers
from evaluate.run.sections import MAJORITY
from evaluate.table_files import write_table
from frames.store.dataset import open_dataset

_WHICH = {
    "run": "name of the run",
    "dataset": "dataset of the run: how its patterns were recorded",
    "model": "name in the config of what was trained, or of a baseline",
    "seed": "of the training",
}

_ACCURACIES = {
    "n_test": "held-out patterns judged on",
    "test_accuracy": "fraction with hit multiplicity and structure both right; the former alone where nothing was hit",
    "count_accuracy": "fraction with the hit multiplicity right",
    "particle_accuracy": "of the patterns that show a particle, fraction with the structure right",
    "lone_accuracy": "of the single hits, fraction with the structure right; empty where that is not known",
    "single_hit_accuracy": "fraction rightly called single or multiple; single where the probability of 1 is above 1/2",
    "majority_accuracy": "test_accuracy of always answering the training split's most frequent class",
}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "cnn": {**_WHICH, "n_train": "patterns learned from", **_ACCURACIES},
    "per_class": {
        **_WHICH,
        "structure": "true structure; none: no particle was hit",
        "hit_multiplicity": "true number of particles",
        "n": "test patterns of this class",
        "recall": "fraction of them with both answers right",
        "count_recall": "fraction with the hit multiplicity right",
        "particle_recall": "fraction with the structure right; empty where there is none",
        "precision": "fraction of the answers naming this class that were right; empty where it was never named",
    },
    "calibration": {
        **_WHICH,
        "head": "whose probabilities: count, particle, or single, the count head's of one particle",
        "n_validation": "patterns that the temperature was fitted to",
        "n_test": "held-out patterns judged on",
        "temperature": "that the logits are divided by: above 1 where answers were too sure; of single, the count's",
        "ece_before": "expected calibration error: mean gap between confidence and accuracy",
        "ece_after": "the same with the temperature",
        "nll_before": "negative log-likelihood of the truth, nats a pattern",
        "nll_after": "the same with the temperature",
    },
    "selection": {
        **_WHICH,
        "target_purity": "purity asked for",
        "threshold": "least probability of one particle that is kept, chosen on the validation split; empty where none "
        "there can be trusted to reach the purity",
        "purity": "of the test patterns kept, fraction that are single hits; empty where none is kept",
        "yield": "of the single hits in the test split, fraction kept",
        "n_test": "held-out patterns judged on",
        "single_fraction": "of them, fraction that are single hits: the purity without selection",
    },
    **{name: {**_WHICH, **columns} for part in (answers, curves, trained) for name, columns in part.COLUMNS.items()},
    "generalisation": {
        "run": _WHICH["run"],
        "trained_on": "dataset of the run that was learned from",
        **{key: _WHICH[key] for key in ("dataset", "model", "seed")},
        **_ACCURACIES,
        "in_distribution_accuracy": "test_accuracy on the test split of the dataset trained on",
    },
}
"""Table that `write_tables` writes -> column -> meaning."""


def write_tables(files: RunFiles, config: RunConfig, provenance: Mapping[str, Any]) -> None:
    """Write the tables that come of the predictions of every network and baseline.

    Raises
    ------
    FileNotFoundError if predictions are missing; ValueError if they are not of the splits they should be of.
    """

    @cache
    def labels(dataset: str, split: str) -> Labels:
        return labels_of(open_dataset(files.dataset(dataset)), split)

    def read(path: Path, dataset: str, *splits: str) -> pd.DataFrame:
        predictions = read_predictions(path, None)
        for split in splits:
            if not all(map(np.array_equal, truth(predictions[predictions["split"] == split]), labels(dataset, split))):
                raise ValueError(f"{path} is not about the {split} split of {dataset}; delete it and predict again")
        return predictions

    @cache
    def majority(trained_on: str, condition: str) -> Accuracies:
        return metrics.majority(labels(trained_on, "train"), labels(condition, "test"))

    def score(trained_on: str, condition: str, accuracies: Accuracies, lone: float = math.nan) -> pd.DataFrame:
        row = {
            "n_train": len(labels(trained_on, "train").structure),
            "n_test": len(labels(condition, "test").structure),
            **asdict(accuracies),
            "lone_accuracy": lone,
            "majority_accuracy": majority(trained_on, condition).test_accuracy,
        }
        return pd.DataFrame([row])

    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    in_distribution = {}
    for condition, learners in itertools.groupby(predictors(config), key=itemgetter(0)):
        for _, model, seed in learners:
            predictions = read(files.predictions(condition, model, seed), condition, "validation", "test")
            test = predictions[predictions["split"] == "test"]
            accuracies = metrics.accuracies(labels(condition, "test"), answer(test))
            in_distribution[condition, model, seed] = accuracies.test_accuracy
            classes, dataset = per_class(test), open_dataset(files.dataset(condition))
            for name, table in (
                ("cnn", score(condition, condition, accuracies, metrics.lone_accuracy(classes))),
                ("per_class", classes),
                ("calibration", calibrate(predictions)),
                ("selection", operating_points(predictions)),
                ("confusion", answers.confusion_rows(test, dataset)),
                ("per_label", answers.label_rows(test, dataset)),
                ("heads", answers.head_rows(test, accuracies)),
                ("reliability", curves.reliability_rows(predictions)),
                ("purity", curves.purity_rows(predictions)),
            ):
                tables[name].append(table.assign(dataset=condition, model=model, seed=seed))
        last = score(condition, condition, majority(condition, condition))
        of_majority = {"dataset": condition, "model": MAJORITY, "seed": BASELINE_SEED}
        tables["cnn"].append(last.assign(**of_majority))
        for split in ("validation", "test"):
            asked = labels(condition, split)
            right = metrics.majority(labels(condition, "train"), asked)
            rows = answers.majority_rows(split, right, asked.structure)
            tables["heads"].append(rows.assign(**of_majority))
    for trained_on, model, seed, condition in transfers(config):
        predictions = read(files.predictions(trained_on, model, seed, condition), condition, "test")
        accuracies = metrics.accuracies(labels(condition, "test"), answer(predictions))
        table = score(trained_on, condition, accuracies, metrics.lone_accuracy(per_class(predictions)))
        of = {"trained_on": trained_on, "dataset": condition, "model": model, "seed": seed}
        own = in_distribution[trained_on, model, seed]
        tables["generalisation"].append(table.assign(**of, in_distribution_accuracy=own))
    tables |= trained.training_rows(files, config)
    for name, rows in tables.items():
        if rows:
            write_table(pd.concat(rows).assign(run=config.run), files.table(name), COLUMNS[name], provenance)
