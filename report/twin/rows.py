"""Rows of the twin networks' tables, chosen for figures and page."""

from pathlib import Path
from typing import Literal

import pandas as pd

from evaluate.run.config import RunConfig
from evaluate.table_files import check_columns
from evaluate.twin.outputs import ALL_FOLDS, fold_of, home, main_condition, main_encoder, networks
from evaluate.twin.shown import classifier_of
from train.config.twins import NONE

SHOTS = {"adapted": "what was learned, adapted", "centroid": "the labelled patterns alone"}
"""Classifier of `few_shot` -> what it goes by."""


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows["encoder"], rows["trained_on"], strict=True))


def read_table(path: Path) -> pd.DataFrame:
    """A table of evaluate/twin/tables.py; names stay what they are, also where one is `NA`.

    ValueError where its columns have other names by now.
    """
    numbers = ("accuracy", "balanced_accuracy", "majority_accuracy", "roc_auc", "deviation", "draw_deviation")
    table = pd.read_csv(path, keep_default_na=False, na_values=dict.fromkeys(numbers, ""))
    check_columns(table, path)
    return table


def unseen_rows(
    table: pd.DataFrame, config: RunConfig, each: bool = False, protocol: Literal["unseen", "unlabelled"] = "unseen"
) -> pd.DataFrame:
    """Rows of `twin.csv`, or of `twin_structures.csv`, that say how unseen structures were told, in the config's order.

    One for each network or control, dataset trained on, condition and seed (and structure).

    Parameters
    ----------
    each :     whether the table has rows for single structures: these have the family held out as their fold.
    protocol : without labels of them, or with other patterns of theirs as well, also without labels.
    """
    names = [*networks(config), *config.evaluation.twins.baselines]
    found = []
    for name in names:
        by = table["classifier"] == classifier_of(name, protocol)
        mine = by & (table["encoder"] == name) & (table["protocol"] == protocol)
        fold = fold_of(config, name)
        in_fold = table["fold"] != NONE if each and fold == ALL_FOLDS else table["fold"] == fold
        found.append(table[mine & in_fold])
    rows = pd.concat(found, ignore_index=True)
    order = list(dict.fromkeys((*rows["trained_on"], *config.evaluation.twins.evaluate_on)))
    return rows.sort_values("dataset", key=lambda column: column.map(order.index), kind="stable", ignore_index=True)


def grid_tables(
    table: pd.DataFrame, config: RunConfig, encoder: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Held-out accuracy, the poster's measure, and trainings that collapsed: embedding dimension x margin.

    Accuracies are means over the seeds.
    """
    trained_on = home(config, encoder)
    mine = table[(table["encoder"] == encoder) & (table[["trained_on", "dataset"]] == trained_on).all(axis=1)]
    same = mine[(mine["protocol"] == "same") & (mine["classifier"] == "neighbours")]
    triplets = mine[mine["protocol"] == "training_triplets"]
    keys = {"index": "embedding_dim", "columns": "margin"}
    return (
        same.pivot_table(values="accuracy", **keys),
        triplets.pivot_table(values="accuracy", **keys),
        same.pivot_table(values="collapsed", aggfunc="sum", **keys),
    )


def best_control(rows: pd.DataFrame, config: RunConfig, condition: str) -> str | None:
    """The control with the highest mean accuracy on unseen structures; None where there is none."""
    main = main_encoder(config)
    assert main is not None, "only runs with a network that is no grid ask this"
    rows = rows[rows["encoder"].isin(config.evaluation.twins.baselines) & (rows["dataset"] == condition)]
    mean = rows[rows["trained_on"] == home(config, main)].groupby("encoder")["accuracy"].mean()
    return None if mean.empty else str(mean.idxmax())


def _of(rows: pd.DataFrame, config: RunConfig, learner: str) -> pd.Series:
    return (rows["encoder"] == learner) & (rows["trained_on"] == home(config, learner))


def few_shot_rows(table: pd.DataFrame, config: RunConfig, learner: str, classifier: str) -> pd.DataFrame:
    """Labels, and means over the seeds of accuracy and deviation, in the main condition."""
    rows = table[(table["protocol"] == "few_shot") & (table["classifier"] == classifier)]
    rows = rows[_of(rows, config, learner) & (rows["dataset"] == main_condition(config))]
    rows = rows[rows["fold"] == fold_of(config, learner)]
    return rows.groupby("labels")[["accuracy", "deviation"]].mean().reset_index()
