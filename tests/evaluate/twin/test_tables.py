"""tables/twin.csv: who is asked about what, and structures put together over the folds in which they were held out."""

import numpy as np
import pandas as pd
import pytest

from evaluate.run.config import RunConfig, load_config
from evaluate.twin.outputs import ALL_FOLDS, controls, evaluate_on
from evaluate.twin.tables import COLUMNS, STRUCTURE_COLUMNS, over_folds


@pytest.fixture
def config() -> RunConfig:
    return load_config(
        {
            "run": "mine",
            "title": "Mine",
            "simulation": {
                "structures": [{"id": name, "source": "phantom", "phantom": "globule"} for name in ("a", "b")],
                "datasets": {name: {"base": "poster"} for name in ("bright", "dim", "far")},
            },
            "twins": {
                "datasets": ["bright"],
                "families": {"first": ["a"], "second": ["b"]},
                "encoders": {
                    "late10": {},
                    "far": {"network": "late3", "datasets": ["far"], "evaluate_on": []},
                    "grid": {"network": "late3", "margins": [0, 1], "folds": ["none"]},
                },
            },
            "evaluation": {"twins": {"evaluate_on": ["dim", "far"], "baselines": ["pixels"]}},
        }
    )


def test_everyone_is_asked_about_its_own_dataset_and_a_grid_about_no_other(config) -> None:
    about = {training.encoder: evaluate_on(config, training) for training in config.twinned.trainings}
    assert about == {"late10": ["bright", "dim", "far"], "far": ["far"], "grid": ["bright"]}
    assert [(control.dataset, control.encoder) for control in controls(config)] == [
        ("bright", "pixels"),
        ("far", "pixels"),
    ]
    assert evaluate_on(config, controls(config)[0]) == ["bright", "dim", "far"]


def row(**changes) -> dict:
    same = dict.fromkeys(STRUCTURE_COLUMNS, 0) | {"distance": "rms", "mining": "random", "run": "mine"}
    return same | {"encoder": "late10", "protocol": "unseen", "classifier": "centroid", "n_test": 100} | changes


def test_every_structure_counts_once_where_it_was_held_out() -> None:
    each = pd.DataFrame(
        [
            row(fold="none", structure="a", accuracy=1.0),  # seen: counts nowhere
            row(fold="first", structure="a", accuracy=0.9),
            row(fold="second", structure="b", accuracy=0.7),
            row(fold="second", structure="c", accuracy=0.8, n_test=50),
            row(fold="first", structure="a", accuracy=0.6, seed=1),
            row(fold="first", structure="a", accuracy=0.2, protocol="same"),
        ]
    )
    table = over_folds(each).set_index("seed")
    assert list(table.index) == [0, 1]
    assert (table["fold"] == ALL_FOLDS).all()
    assert table.loc[0, "accuracy"] == pytest.approx(0.8)
    assert table.loc[0, "deviation"] == pytest.approx(np.std([0.9, 0.7, 0.8]))
    assert (table.loc[0, "n_test"], table.loc[0, "n_structures"]) == (250, 3)
    assert table.loc[1, "accuracy"] == pytest.approx(0.6)
    assert set(COLUMNS) <= {*table.columns, "seed"}


def test_without_families_there_is_no_row_of_all() -> None:
    assert over_folds(pd.DataFrame([row(fold="none", structure="a", accuracy=1.0)])).empty
