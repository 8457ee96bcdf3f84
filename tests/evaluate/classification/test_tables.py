"""The tables of a finished run, whose predictions were chosen by hand (tests/support/finished.py)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluate.classification.tables import COLUMNS, write_tables
from evaluate.metrics import by_target
from evaluate.metrics.confusion import per_class
from evaluate.predictions.labels import target_labels
from evaluate.predictions.predictions import read_predictions, write_predictions
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import predictors, table_names, transfers
from evaluate.table_files import read_table, renamed, write_table
from frames.store.dataset import open_dataset
from frames.targets import shot_targets
from report.twin.rows import read_table as read_twin_table
from support.datasets import make_dataset

Run = tuple[RunFiles, RunConfig]


@pytest.fixture(scope="module")
def cnn(judged_run: Run) -> pd.DataFrame:
    return pd.read_csv(judged_run[0].table("cnn"))


COLUMNS_BY_HAND = {
    "cnn": "run dataset model seed n_train n_test test_accuracy hit_multiplicity_accuracy structure_accuracy "
    "lone_accuracy hit_multiplicity_1_accuracy majority_accuracy",
    "per_class": "run dataset model seed structure hit_multiplicity n recall hit_multiplicity_recall structure_recall "
    "precision",
    "confusion": "run dataset model seed target label predicted n",
    "per_label": "run dataset model seed target label n recall precision",
    "heads": "run dataset model seed split target n accuracy collapsed",
    "reliability": "run dataset model seed target probabilities confidence accuracy n",
    "purity": "run dataset model seed target threshold purity yield",
    "history": "run dataset model seed epoch train_loss validation_loss validation_accuracy "
    "validation_hit_multiplicity_accuracy validation_structure_accuracy",
    "trainings": "run dataset model seed n_parameters seconds device",
    "calibration": "run dataset model seed target n_validation n_test temperature ece_before ece_after nll_before "
    "nll_after",
    "selection": "run dataset model seed target target_purity threshold purity yield n_test single_fraction",
    "generalisation": "run trained_on dataset model seed n_test test_accuracy hit_multiplicity_accuracy "
    "structure_accuracy lone_accuracy hit_multiplicity_1_accuracy majority_accuracy in_distribution_accuracy",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_exactly_these_and_are_told_beside_the_table(judged_run: Run, name: str) -> None:
    path = judged_run[0].table(name)
    table, record = pd.read_csv(path), json.loads(path.with_suffix(".json").read_text())
    assert table.columns.tolist() == list(record["columns"]) == COLUMNS_BY_HAND[name].split()
    assert (table["run"] == "toy").all()
    assert record["table"] == path.name
    assert record["config_digest"] == "c0ffee00"
    assert record["versions"] == {"numpy": "9.8.7"}


@pytest.mark.parametrize(
    ("name", "new", "old"),
    [
        ("cnn", "hit_multiplicity_accuracy", "count_accuracy"),
        ("generalisation", "hit_multiplicity_1_accuracy", "single_hit_accuracy"),
        ("calibration", "target", "head"),
        ("reliability", "target", "head"),
        ("per_class", "structure_recall", "particle_recall"),
        ("limit", "structure_accuracy", "particle_accuracy"),
    ],
)
def test_a_table_of_heads_is_refused_with_the_targets_name(
    finished_run: Run, tmp_path: Path, name: str, new: str, old: str
) -> None:
    older = RunFiles(tmp_path)
    older.table(name).parent.mkdir()
    read_table(finished_run[0], name).rename(columns={new: old}).to_csv(older.table(name), index=False)
    assert new in renamed(pd.read_csv(older.table(name)), name)
    with pytest.raises(ValueError, match=rf"{name}\.csv has a column `{old}`, which is `{new}` now; run snakemake"):
        read_table(older, name)


def test_a_table_whose_columns_have_other_names_by_now_is_refused(finished_run: Run, tmp_path: Path) -> None:
    older = RunFiles(tmp_path)
    older.table("cnn").parent.mkdir()
    table = read_table(finished_run[0], "cnn").rename(columns={"run": "dataset", "dataset": "condition"})
    for name, read in {
        "cnn": lambda: read_table(older, "cnn"),
        "twin": lambda: read_twin_table(older.table("twin")),
    }.items():
        table.to_csv(older.table(name), index=False)
        with pytest.raises(ValueError, match=rf"{name}\.csv has a column `condition`.*; run snakemake again"):
            read()


NOISY = [
    *(("late10", 3), ("late10", 5), ("late10_he", 3), ("azimuthal", 3)),
    *(("together", 0), ("total_intensity", 0)),
]
"""`together` needs `late10_he`, which is trained here alone."""
CLEAN = [("late10", 3), ("late10", 5), ("total_intensity", 0)]


def test_one_row_for_every_condition_model_and_seed_and_two_baselines(cnn: pd.DataFrame) -> None:
    keys = list(cnn[["dataset", "model", "seed"]].itertuples(index=False, name=None))
    majority = ("majority", 0)
    assert keys == [("clean", *one) for one in [*CLEAN, majority]] + [("noisy", *one) for one in [*NOISY, majority]]


def test_the_judged_are_those_of_the_table(judged_run: Run) -> None:
    expected = [("clean", *one) for one in CLEAN] + [("noisy", *one) for one in NOISY]
    assert predictors(judged_run[1].study) == expected
    assert transfers(judged_run[1].study) == [("noisy", *one, other) for one in NOISY for other in ("dim", "clean")]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, set()),
        ({"cross_dataset": {}}, {"generalisation"}),
        ({"cross_dataset": {"noisy": ()}}, {"generalisation"}),
        ({"bayes_limit": None}, {"limit"}),
    ],
)
def test_only_tables_that_were_asked_for_are_named(judged_run: Run, changes: dict, missing: set[str]) -> None:
    config = judged_run[1]
    evaluation = config.evaluation.model_copy(update=changes)
    names = table_names(config.model_copy(update={"evaluation": evaluation}).study)
    assert sorted(names) == sorted({*COLUMNS, "limit"} - missing)


def test_accuracies_by_hand(cnn: pd.DataFrame) -> None:
    """Four classes of 14 training and 4 test patterns; seed 3 fails on one class, seed 5 calls everything one ball."""
    rows = cnn[cnn["dataset"] == "noisy"].set_index(["model", "seed"]).drop(columns=["run", "dataset"])
    assert (rows["n_train"] == 56).all()
    assert (rows["n_test"] == 16).all()
    assert (rows["majority_accuracy"] == 0.25).all()
    questions = ["test_accuracy", "hit_multiplicity_accuracy", "structure_accuracy", "hit_multiplicity_1_accuracy"]
    assert rows.loc[("late10", 3), questions].tolist() == [0.75, 0.75, 0.75, 0.75]
    assert rows.loc[("late10", 5), questions].tolist() == [0.25, 0.5, 0.5, 0.5]
    assert rows.loc[("late10_he", 3), questions].tolist() == [1, 1, 1, 1]
    assert rows.loc[("together", 0), questions].tolist() == [0.75, 0.75, 1, 0.75]  # two of three say one ball for two
    assert rows.loc[("majority", 0), questions].tolist() == [0.25, 0.5, 0.5, 0.5]


def test_generalisation_by_hand(judged_run: Run, cnn: pd.DataFrame) -> None:
    """Hand-made answers are the same everywhere; a hundred times the photons are all taken for the brightest class."""
    table = pd.read_csv(judged_run[0].table("generalisation"))
    keys = list(table[["trained_on", "dataset", "model", "seed"]].itertuples(index=False, name=None))
    assert keys == [("noisy", other, *one) for one in NOISY for other in ("dim", "clean")]
    assert (table["n_test"] == 16).all()
    assert (table["majority_accuracy"] == 0.25).all()
    own = cnn[cnn["dataset"] == "noisy"].set_index(["model", "seed"])["test_accuracy"]
    assert table["in_distribution_accuracy"].tolist() == [own[one] for one in NOISY for _ in range(2)]
    networks = table[table["model"] != "total_intensity"]
    assert networks["test_accuracy"].tolist() == networks["in_distribution_accuracy"].tolist()
    brighter = table[(table["model"] == "total_intensity") & (table["dataset"] == "clean")]
    assert brighter["test_accuracy"].item() == 0.25


def test_trust_and_selection_are_asked_of_everything_judged(judged_run: Run) -> None:
    """Row by row what the functions say of the predictions, of both splits."""
    files, config = judged_run
    for name, of, key in (
        ("calibration", by_target.calibration, "target"),
        ("selection", by_target.operating_points, "target_purity"),
    ):
        table = pd.read_csv(files.table(name)).drop(columns="run").set_index(["dataset", "model", "seed"])
        assert list(dict.fromkeys(table.index)) == predictors(config.study)
        for learner in predictors(config.study):
            targets = open_dataset(files.dataset(learner[0])).targets
            expected = of(read_predictions(files.predictions(*learner), None), targets).set_index(key)
            found = table.loc[[learner]].set_index(key)
            pd.testing.assert_frame_equal(found, expected[found.columns], check_dtype=False, atol=1e-6)


def test_noise_free_intensity_tells_the_four_classes_apart(cnn: pd.DataFrame) -> None:
    row = cnn[(cnn["dataset"] == "clean") & (cnn["model"] == "total_intensity")]
    assert row["test_accuracy"].item() == 1


def test_per_class_by_hand(judged_run: Run) -> None:
    table = pd.read_csv(judged_run[0].table("per_class"))
    rows = table[(table["dataset"] == "clean") & (table["seed"] == 3)].set_index(["structure", "hit_multiplicity"])
    assert (rows["n"] == 4).all()
    two_balls, one_9xyz = rows.loc[("ball", 2)], rows.loc[("9xyz", 1)]
    assert two_balls[["recall", "hit_multiplicity_recall", "structure_recall"]].tolist() == [0, 0, 0]
    assert np.isnan(two_balls["precision"])  # never named
    assert one_9xyz["recall"] == 1
    assert one_9xyz["precision"] == 0.5  # named for the two balls as well
    collapsed = table[(table["dataset"] == "clean") & (table["seed"] == 5)].set_index(["structure", "hit_multiplicity"])
    assert collapsed.loc[("ball", 1), ["recall", "precision"]].tolist() == [1, 0.25]
    assert collapsed.loc[("9xyz", 1), ["recall", "hit_multiplicity_recall", "structure_recall"]].tolist() == [0, 1, 0]


def test_per_class_against_a_loop(judged_run: Run) -> None:
    predictions = read_predictions(judged_run[0].predictions("noisy", "total_intensity", 0))
    for row in per_class(predictions, shot_targets(["ball", "9xyz"], [1, 2])).itertuples():
        mine = predictions[
            (predictions["structure"] == row.structure) & (predictions["hit_multiplicity"] == row.hit_multiplicity)
        ]
        right = [
            (p.predicted_structure == row.structure, p.predicted_hit_multiplicity == row.hit_multiplicity)
            for p in mine.itertuples()
        ]
        assert row.n == len(mine)
        assert row.recall == pytest.approx(sum(a and b for a, b in right) / len(mine))
        assert row.structure_recall == pytest.approx(sum(a for a, _ in right) / len(mine))
        assert row.hit_multiplicity_recall == pytest.approx(sum(b for _, b in right) / len(mine))


def test_shots_that_hit_nothing_by_hand() -> None:
    """Three dark patterns, one taken for two balls; of two balls, one is taken for nothing."""
    rows = [
        *(("none", 0, "ball", 0), ("none", 0, "ring", 0), ("none", 0, "ball", 2)),
        *(("ball", 2, "ball", 2), ("ball", 2, "ball", 0)),
    ]
    columns = ["structure", "hit_multiplicity", "predicted_structure", "predicted_hit_multiplicity"]
    table = per_class(pd.DataFrame(rows, columns=columns), shot_targets(["ball", "ring"], [0, 2]))
    table = table.set_index(["structure", "hit_multiplicity"])
    none, balls = table.loc[("none", 0)], table.loc[("ball", 2)]
    assert (none["n"], none["recall"], none["hit_multiplicity_recall"], none["precision"]) == (3, 2 / 3, 2 / 3, 2 / 3)
    assert np.isnan(none["structure_recall"])
    assert balls[["recall", "hit_multiplicity_recall", "structure_recall", "precision"]].tolist() == [0.5, 0.5, 1, 0.5]


def test_labels_by_hand(tmp_path: Path) -> None:
    names, numbers = ["b", "", "a", "b", "a"], [1, 0, 2, 2, 1]
    split = ["train", "test", "test", "test", "test"]
    dataset = open_dataset(make_dataset(tmp_path / "d", np.zeros((5, 2, 2), np.uint16), names, numbers, split))
    found = target_labels(dataset, "test")
    assert found["structure"].tolist() == ["none", "a", "b", "a"]
    assert found["hit_multiplicity"].tolist() == [0, 2, 2, 1]


def test_a_table_is_text_of_nine_digits_with_its_columns_told_beside_it(tmp_path: Path) -> None:
    table = pd.DataFrame({"share": [1 / 3, 1.0], "left out": [1, 2], "name": ["x", "y"]}, index=[7, 8])
    columns = {"name": "of what", "share": "how much"}
    write_table(table, tmp_path / "t.csv", columns, {"date": "today"})
    assert (tmp_path / "t.csv").read_text() == "name,share\nx,0.333333333\ny,1\n"
    assert json.loads((tmp_path / "t.json").read_text()) == {"table": "t.csv", "columns": columns, "date": "today"}


@pytest.mark.parametrize(
    ("split", "about", "message"),
    [
        ("test", "clean", r"clean/clean/late10-seed3\.parquet is not about the test split of clean"),
        ("validation", "clean", r"clean/clean/late10-seed3\.parquet is not about the validation split of clean"),
        ("test", "dim", r"noisy/dim/late10-seed3\.parquet is not about the test split of dim"),
    ],
)
def test_predictions_of_other_patterns_are_refused(
    judged_run: Run, tmp_path: Path, split: str, about: str, message: str
) -> None:
    files, config = judged_run
    elsewhere = RunFiles(tmp_path)
    (tmp_path / "datasets").symlink_to(files.folder / "datasets")
    shutil.copytree(files.folder / "predictions", tmp_path / "predictions")
    for path in (tmp_path / "predictions").rglob(f"{about}/*.parquet"):
        table = read_predictions(path, None)
        table.loc[table["split"] == split, "structure"] = np.roll(table.loc[table["split"] == split, "structure"], 1)
        write_predictions(table, path)
    with pytest.raises(ValueError, match=f"{message}; delete it and predict again$"):
        write_tables(elsewhere, config.study, {})
    assert not elsewhere.table("cnn").exists()
