"""The tables of a run: tidy CSV, with a .json of the same name that says where the numbers come from."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluate import metrics
from evaluate.config import RunConfig
from evaluate.metrics import Labels
from evaluate.predictions import answer, read_predictions, truth
from evaluate.run_files import RunFiles
from simulate.config import NO_STRUCTURE
from simulate.dataset import Dataset, open_dataset
from simulate.files import atomic_path, write_json

BASELINE_SEED = 0
"""In the seed column of baselines, which draw nothing."""

CNN_COLUMNS = {
    "dataset": "name of the run",
    "condition": "dataset of the run: how its patterns were recorded",
    "model": "network, or baseline: total_intensity, majority",
    "seed": "of the training",
    "n_train": "patterns learned from",
    "n_test": "held-out patterns judged on",
    "test_accuracy": "fraction with hit multiplicity and structure both right; the former alone where nothing was hit",
    "count_accuracy": "fraction with the hit multiplicity right",
    "particle_accuracy": "of the patterns that show a particle, fraction with the structure right",
    "single_hit_accuracy": "fraction rightly called single or multiple; single where the most probable count is 1",
    "majority_accuracy": "test_accuracy of always answering the training split's most frequent class",
}

PER_CLASS_COLUMNS = {
    **{name: CNN_COLUMNS[name] for name in ("dataset", "condition", "model", "seed")},
    "structure": "true structure; none: no particle was hit",
    "hit_multiplicity": "true number of particles",
    "n": "test patterns of this class",
    "recall": "fraction of them with both answers right",
    "count_recall": "fraction with the hit multiplicity right",
    "particle_recall": "fraction with the structure right; empty where there is none",
    "precision": "fraction of the answers naming this class that were right; empty where it was never named",
}


def labels_of(dataset: Dataset, split: str) -> Labels:
    """What the patterns of one split are."""
    rows = dataset.splits[split]
    structures = np.array([*dataset.structures, NO_STRUCTURE])  # -1 is the last of them
    return Labels(structures[dataset.structure[rows]], dataset.hit_multiplicity[rows])


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
    """Write tables/cnn.csv and tables/per_class.csv from the predictions of every network and baseline.

    Raises
    ------
    FileNotFoundError if predictions are missing; ValueError if they are not of the dataset's test split.
    """
    rows, classes = [], []
    for condition in config.training.datasets:
        dataset = open_dataset(files.dataset(condition))
        train, test = labels_of(dataset, "train"), labels_of(dataset, "test")
        majority = metrics.majority(train, test)
        scores = {}
        for model, seed in judged(config):
            predictions = read_predictions(path := files.predictions(condition, model, seed))
            if not all(map(np.array_equal, truth(predictions), test)):
                raise ValueError(f"{path} is not about the test split of {condition}; delete it and predict again")
            scores[model, seed] = metrics.accuracies(test, answer(predictions))
            classes.append(per_class(predictions).assign(condition=condition, model=model, seed=seed))
        scores["majority", BASELINE_SEED] = majority
        rows += [
            {
                "condition": condition,
                "model": model,
                "seed": seed,
                "n_train": len(train.structure),
                "n_test": len(test.structure),
                **asdict(score),
                "majority_accuracy": majority.test_accuracy,
            }
            for (model, seed), score in scores.items()
        ]
    for name, table, columns in (
        ("cnn", pd.DataFrame(rows), CNN_COLUMNS),
        ("per_class", pd.concat(classes), PER_CLASS_COLUMNS),
    ):
        _write(table.assign(dataset=config.run), files.table(name), columns, provenance)


def judged(config: RunConfig) -> list[tuple[str, int]]:
    """Model and seed of everything that predicts: the networks, then the baseline from total intensity."""
    return [*itertools.product(config.training.models, config.training.seeds), ("total_intensity", BASELINE_SEED)]


def _write(table: pd.DataFrame, path: Path, columns: Mapping[str, str], provenance: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary:
        table[list(columns)].to_csv(temporary, index=False, float_format="%.6f")
    write_json(path.with_suffix(".json"), {"table": path.name, "columns": dict(columns), **provenance})
