"""The tables of a run: tidy CSV, with a .json of the same name that says where the numbers come from."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluate import metrics
from evaluate.calibration import calibrate
from evaluate.config import MAJORITY, RunConfig
from evaluate.contents import BASELINE_SEED, judged, transfers
from evaluate.metrics import Accuracies, Labels
from evaluate.predictions import answer, read_predictions, truth
from evaluate.run_files import RunFiles
from evaluate.selection import operating_points
from simulate.config import NO_STRUCTURE
from simulate.dataset import Dataset, open_dataset
from simulate.files import atomic_path, write_json

_WHICH = {
    "dataset": "name of the run",
    "condition": "dataset of the run: how its patterns were recorded",
    "model": "name in the config of what was trained, or of a baseline",
    "seed": "of the training",
}

_ACCURACIES = {
    "n_test": "held-out patterns judged on",
    "test_accuracy": "fraction with hit multiplicity and structure both right; the former alone where nothing was hit",
    "count_accuracy": "fraction with the hit multiplicity right",
    "particle_accuracy": "of the patterns that show a particle, fraction with the structure right",
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
    "generalisation": {
        "dataset": _WHICH["dataset"],
        "trained_on": "dataset of the run that was learned from",
        **{key: _WHICH[key] for key in ("condition", "model", "seed")},
        **_ACCURACIES,
        "in_distribution_accuracy": "test_accuracy on the test split of the dataset trained on",
    },
}
"""Table that `write_tables` writes -> column -> meaning."""


def labels_of(dataset: Dataset, split: str) -> Labels:
    """What the patterns of one split are."""
    rows = dataset.splits[split]
    structures = np.array([*dataset.structures, NO_STRUCTURE])  # -1 is the last of them
    hit_multiplicity = dataset.hit_multiplicity[rows]
    return Labels(structures[dataset.structure[rows]], hit_multiplicity, hit_multiplicity == 1)


def per_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row for each class that was shot, with the columns of per_class.csv from `structure` on."""
    is_class = ["structure", "hit_multiplicity"]
    count = predictions["predicted_hit_multiplicity"] == predictions["hit_multiplicity"]
    named = predictions.assign(predicted_structure=metrics.named(answer(predictions)))
    both = count & (named["predicted_structure"] == named["structure"])
    particle = (predictions["predicted_structure"] == predictions["structure"]).astype(float)
    answers = predictions.assign(both=both, count=count, particle=particle.where(predictions["hit_multiplicity"] > 0))
    classes = answers.groupby(is_class).agg(
        n=("both", "size"),
        recall=("both", "mean"),
        count_recall=("count", "mean"),
        particle_recall=("particle", "mean"),
        n_right=("both", "sum"),
    )
    times = named.groupby([f"predicted_{name}" for name in is_class]).size().rename_axis(is_class)
    classes["precision"] = classes.pop("n_right") / times.reindex(classes.index)
    return classes.reset_index()


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

    def score(trained_on: str, condition: str, accuracies: Accuracies) -> pd.DataFrame:
        row = {
            "n_train": len(labels(trained_on, "train").structure),
            "n_test": len(labels(condition, "test").structure),
            **asdict(accuracies),
            "majority_accuracy": majority(trained_on, condition).test_accuracy,
        }
        return pd.DataFrame([row])

    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    in_distribution = {}
    for condition, learners in itertools.groupby(judged(config), key=itemgetter(0)):
        for _, model, seed in learners:
            predictions = read(files.predictions(condition, model, seed), condition, "validation", "test")
            test = predictions[predictions["split"] == "test"]
            accuracies = metrics.accuracies(labels(condition, "test"), answer(test))
            in_distribution[condition, model, seed] = accuracies.test_accuracy
            for name, table in (
                ("cnn", score(condition, condition, accuracies)),
                ("per_class", per_class(test)),
                ("calibration", calibrate(predictions)),
                ("selection", operating_points(predictions)),
            ):
                tables[name].append(table.assign(condition=condition, model=model, seed=seed))
        last = score(condition, condition, majority(condition, condition))
        tables["cnn"].append(last.assign(condition=condition, model=MAJORITY, seed=BASELINE_SEED))
    for trained_on, model, seed, condition in transfers(config):
        predictions = read(files.predictions(trained_on, model, seed, condition), condition, "test")
        table = score(trained_on, condition, metrics.accuracies(labels(condition, "test"), answer(predictions)))
        of = {"trained_on": trained_on, "condition": condition, "model": model, "seed": seed}
        own = in_distribution[trained_on, model, seed]
        tables["generalisation"].append(table.assign(**of, in_distribution_accuracy=own))
    for name, rows in tables.items():
        if rows:
            write_table(pd.concat(rows).assign(dataset=config.run), files.table(name), COLUMNS[name], provenance)


def write_table(table: pd.DataFrame, path: Path, columns: Mapping[str, str], provenance: Mapping[str, Any]) -> None:
    """Write these columns as CSV, and what they mean and where they come from as JSON beside it."""
    with atomic_path(path) as temporary:
        table[list(columns)].to_csv(temporary, index=False, float_format="%.9g")
    write_json(path.with_suffix(".json"), {"table": path.name, "columns": dict(columns), **provenance})
