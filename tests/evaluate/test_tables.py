"""The tables of a finished run, whose predictions were chosen by hand (conftest.py)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluate.config import RunConfig
from evaluate.predictions import read_predictions, write_predictions
from evaluate.run_files import RunFiles
from evaluate.tables import CNN_COLUMNS, PER_CLASS_COLUMNS, judged, per_class, write_tables

Run = tuple[RunFiles, RunConfig]


@pytest.fixture(scope="module")
def cnn(finished_run: Run) -> pd.DataFrame:
    return pd.read_csv(finished_run[0].table("cnn"))


def test_columns_of_cnn_are_exactly_these(cnn: pd.DataFrame) -> None:
    assert cnn.columns.tolist() == [
        *("dataset", "condition", "model", "seed", "n_train", "n_test", "test_accuracy", "count_accuracy"),
        *("particle_accuracy", "single_hit_accuracy", "majority_accuracy"),
    ]
    assert list(CNN_COLUMNS) == cnn.columns.tolist()


def test_one_row_for_every_condition_model_and_seed_and_two_baselines(cnn: pd.DataFrame) -> None:
    keys = list(cnn[["dataset", "condition", "model", "seed"]].itertuples(index=False, name=None))
    models = [("late10", 3), ("late10", 5), ("total_intensity", 0), ("majority", 0)]
    assert keys == [("toy", condition, *model) for condition in ("clean", "noisy") for model in models]


def test_accuracies_by_hand(cnn: pd.DataFrame) -> None:
    """Four classes of 14 training and 4 test patterns; seed 3 fails on one class, seed 5 calls everything one ball."""
    rows = cnn[cnn["condition"] == "noisy"].set_index(["model", "seed"]).drop(columns=["dataset", "condition"])
    assert (rows["n_train"] == 56).all()
    assert (rows["n_test"] == 16).all()
    assert (rows["majority_accuracy"] == 0.25).all()
    questions = ["test_accuracy", "count_accuracy", "particle_accuracy", "single_hit_accuracy"]
    assert rows.loc[("late10", 3), questions].tolist() == [0.75, 0.75, 0.75, 0.75]
    assert rows.loc[("late10", 5), questions].tolist() == [0.25, 0.5, 0.5, 0.5]
    assert rows.loc[("majority", 0), questions].tolist() == [0.25, 0.5, 0.5, 0.5]


def test_noise_free_intensity_tells_the_four_classes_apart(cnn: pd.DataFrame) -> None:
    row = cnn[(cnn["condition"] == "clean") & (cnn["model"] == "total_intensity")]
    assert row["test_accuracy"].item() == 1


def test_per_class_by_hand(finished_run: Run) -> None:
    table = pd.read_csv(finished_run[0].table("per_class"))
    assert table.columns.tolist() == list(PER_CLASS_COLUMNS)
    rows = table[(table["condition"] == "clean") & (table["seed"] == 3)].set_index(["structure", "hit_multiplicity"])
    assert (rows["n"] == 4).all()
    two_balls, one_9xyz = rows.loc[("ball", 2)], rows.loc[("9xyz", 1)]
    assert two_balls[["recall", "count_recall", "particle_recall"]].tolist() == [0, 0, 0]
    assert np.isnan(two_balls["precision"])  # never named
    assert one_9xyz["recall"] == 1
    assert one_9xyz["precision"] == 0.5  # named for the two balls as well
    collapsed = table[(table["condition"] == "clean") & (table["seed"] == 5)].set_index(
        ["structure", "hit_multiplicity"]
    )
    assert collapsed.loc[("ball", 1), ["recall", "precision"]].tolist() == [1, 0.25]
    assert collapsed.loc[("9xyz", 1), ["recall", "count_recall", "particle_recall"]].tolist() == [0, 1, 0]


def test_per_class_against_a_loop(finished_run: Run) -> None:
    predictions = read_predictions(finished_run[0].predictions("noisy", "total_intensity", 0))
    for row in per_class(predictions).itertuples():
        mine = predictions[
            (predictions["structure"] == row.structure) & (predictions["hit_multiplicity"] == row.hit_multiplicity)
        ]
        right = [
            (p.predicted_structure == row.structure, p.predicted_hit_multiplicity == row.hit_multiplicity)
            for p in mine.itertuples()
        ]
        assert row.n == len(mine)
        assert row.recall == pytest.approx(sum(a and b for a, b in right) / len(mine))
        assert row.particle_recall == pytest.approx(sum(a for a, _ in right) / len(mine))
        assert row.count_recall == pytest.approx(sum(b for _, b in right) / len(mine))


def test_shots_that_hit_nothing_by_hand() -> None:
    """Three dark patterns, one taken for two balls; of two balls, one is taken for nothing."""
    rows = [
        *(("none", 0, "ball", 0), ("none", 0, "ring", 0), ("none", 0, "ball", 2)),
        *(("ball", 2, "ball", 2), ("ball", 2, "ball", 0)),
    ]
    columns = ["structure", "hit_multiplicity", "predicted_structure", "predicted_hit_multiplicity"]
    table = per_class(pd.DataFrame(rows, columns=columns)).set_index(["structure", "hit_multiplicity"])
    none, balls = table.loc[("none", 0)], table.loc[("ball", 2)]
    assert (none["n"], none["recall"], none["count_recall"], none["precision"]) == (3, 2 / 3, 2 / 3, 2 / 3)
    assert np.isnan(none["particle_recall"])
    assert balls[["recall", "count_recall", "particle_recall", "precision"]].tolist() == [0.5, 0.5, 1, 0.5]


@pytest.mark.parametrize("name", ["cnn", "per_class"])
def test_provenance_lies_beside_each_table(finished_run: Run, name: str) -> None:
    path = finished_run[0].table(name)
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["table"] == path.name
    assert list(record["columns"]) == pd.read_csv(path).columns.tolist()
    assert record["config_digest"] == "c0ffee00"
    assert record["versions"] == {"numpy": "9.8.7"}


def test_predictions_of_other_patterns_are_refused(finished_run: Run, tmp_path: Path) -> None:
    files, config = finished_run
    elsewhere = RunFiles(tmp_path)
    (tmp_path / "datasets").symlink_to(files.folder / "datasets")
    for condition in config.training.datasets:
        for model, seed in judged(config):
            table = read_predictions(files.predictions(condition, model, seed))
            shifted = table.assign(structure=np.roll(table["structure"], 1))
            write_predictions(shifted, elsewhere.predictions(condition, model, seed))
    with pytest.raises(ValueError, match=r"late10-seed3\.parquet is not about the test split of clean"):
        write_tables(elsewhere, config, {})
    assert not elsewhere.table("cnn").exists()
