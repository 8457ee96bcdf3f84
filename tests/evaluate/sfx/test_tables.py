"""From prepared frames to tables: numbers by hand, every system run on frames that no crystal made."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from evaluate.sfx import embedding, measures, tables
from evaluate.sfx.experiments import COLUMNS, cases, final_model, run_system
from evaluate.sfx.prepared import data_of, prepare
from support.made.hit_frames import vectors
from train.config.hits import LearningConfig

TINY = {"base": "plain", "epochs": 2, "batch_size": 8}
CONFIG: dict[str, Any] = {
    "preprocessing": {"local": {"pixels": 64, "local_contrast": "subtractive"}},
    "labels": {"many": {"train": 24, "validation": 12, "test": 12}, "few": {"train": 12, "validation": 12, "test": 24}},
    "seeds": [0, 1],
    "orders": ["shuffled", "sequential"],
    "systems": {
        "rows": {"network": "rows", "preprocessing": "local", "labels": ["many", "few"], "recipe": TINY},
        "moved": {
            "network": "rows",
            "preprocessing": "local",
            "labels": ["few"],
            "method": "transfer",
            "base": "rows",
            "recipe": TINY | {"frozen_blocks": [3, 2]},
        },
        "dann": {
            "network": "rows",
            "preprocessing": "local",
            "labels": ["many"],
            "method": "adversarial",
            "recipe": TINY | {"checkpoint": "last"},
        },
        "self": {
            "network": "rows",
            "preprocessing": "local",
            "labels": ["many"],
            "method": "self_training",
            "recipe": TINY | {"rounds": 1},
        },
    },
}
SYSTEMS: dict[str, dict] = CONFIG["systems"]


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    learning, models = LearningConfig(**CONFIG), tmp_path_factory.mktemp("models")
    data = {name: vectors(48, seed, name) for seed, name in enumerate(("a", "b"))}
    found = [run_system(learning, name, "a", data, models, torch.device("cpu"), False) for name in learning.systems]
    for name, system in learning.systems.items():
        assert all(final_model(folder, system).exists() for folder in (models / "a" / name).iterdir())
    return pd.concat(found, ignore_index=True)


def test_every_system_is_asked_what_its_table_asks(predictions: pd.DataFrame) -> None:
    assert list(predictions) == list(COLUMNS)
    test = predictions[predictions["split"] == "test"]
    n = test.groupby(["system", "labels", "order", "tested_on"]).size() / 2  # seeds
    expected = {("moved", "few", "shuffled", "b"): 24, ("dann", "many", "shuffled", "b"): 48}
    expected |= {("self", "many", "shuffled", "b"): 48}
    for order in ("shuffled", "sequential"):
        for labels, own in (("many", 12), ("few", 24)):
            expected |= {("rows", labels, order, "a"): own, ("rows", labels, order, "b"): 48}
    assert n.to_dict() == expected


def test_no_frame_is_tested_that_was_learned_from(predictions: pd.DataFrame) -> None:
    keys = ["system", "labels", "order", "seed", "trained_on", "tested_on"]
    for _, one in predictions.groupby(keys):
        assert not one["row"].duplicated().any()


def test_tidy_rows_are_those_of_the_tables(predictions: pd.DataFrame) -> None:
    learning = LearningConfig(**CONFIG)
    table = tables.tidy(predictions, learning)
    assert list(table) == list(tables.TIDY)
    assert set(table.loc[table["table"] == 3, "system"]) == {"moved"}
    assert set(table.loc[table["table"] == 5, "system"]) == {"dann"}
    assert (table.loc[table["table"] == 4, "trained_on"] == table.loc[table["table"] == 4, "tested_on"]).all()
    one = predictions[(predictions["system"] == "dann") & (predictions["seed"] == 1) & (predictions["split"] == "test")]
    row = table[(table["table"] == 5) & (table["seed"] == 1)].iloc[0]
    said, truth = one["p_hit"] > 0.5, one["label"] > 0
    assert row["recall"] == pytest.approx((said & truth).sum() / truth.sum())
    assert row["n"] == 48
    errors = tables.calibration(predictions)
    assert errors[["before", "after"]].notna().all(axis=None)


def test_peaks_are_counted_to_a_threshold_of_the_source(predictions: pd.DataFrame) -> None:
    label = {name: vectors(48, seed, name).label for seed, name in enumerate(("a", "b"))}
    found = tables.by_peaks({name: 5 * one for name, one in label.items()}, predictions)
    assert set(found["system"]) == {tables.PEAKS}
    test = found[found["split"] == "test"]
    assert ((test["p_hit"] > 0.5) == (test["label"] > 0)).all()  # 0 or at least 5 peaks: none is wrong
    table = tables.tidy(found, LearningConfig(**CONFIG))
    assert (table["table"] == 0).all()


def test_failures_are_shares_of_frames_alike(predictions: pd.DataFrame) -> None:
    frames = {
        name: pd.DataFrame({"n_spots": 6 * vectors(48, seed, name).label, "snr": 9.0, "background": np.arange(48)})
        for seed, name in enumerate(("a", "b"))
    }
    table = tables.failures(predictions, frames)
    spots = table[(table["quantity"] == "n_spots") & (table["system"] == "dann")]
    one = predictions[(predictions["system"] == "dann") & (predictions["split"] == "test")]
    assert spots["low"].tolist() == [0, 6, 10] or set(spots["low"]) == {0, 6, 10}
    missed = one[one["label"] == 0]
    assert spots.set_index("low").loc[0, "called_hit"] == pytest.approx((missed["p_hit"] > 0.5).mean())


def test_measures_by_hand() -> None:
    truth, said = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool), np.array([1, 1, 0, 1, 0, 0, 0, 0], bool)
    assert measures.measures(truth, said) == pytest.approx((2 / 3, 2 / 3, 6 / 8, 4 / 6, 5 / 8, 8))
    score = np.array([0.9, 0.8, 0.4, 0.8, 0.3, 0.2, 0.1, 0.05])
    assert measures.recall_at(truth, score, 1.0) == pytest.approx(1 / 3)  # 0.8 is of a hit and of a miss
    assert measures.recall_at(truth, score, 0.7) == 1  # 3 of 4
    assert measures.recall_at(~truth, score, 0.99) == 0
    assert measures.best_threshold(truth, np.array([9, 4, 4, 3, 0, 0, 1, 2])) == 4
    assert np.isnan(measures.measures(np.zeros(3, bool), np.zeros(3, bool)).recall)


def test_calibration_makes_frequencies_of_probabilities() -> None:
    generator = np.random.default_rng(0)
    right = generator.random(4000)
    truth = generator.random(4000) < right
    sure = right**3 / (right**3 + (1 - right) ** 3)  # odds to the third: too sure
    after = measures.calibrated(sure[:2000], truth[:2000], sure[2000:])
    assert measures.calibration_error(sure[2000:], truth[2000:]) > 0.1
    assert measures.calibration_error(after, truth[2000:]) < 0.04  # 200 frames a bin: √(.25/200) = 0.035 at most
    np.testing.assert_array_equal(measures.calibrated(sure, np.ones(4000, bool), sure), sure)


def test_overlap_is_one_of_one_law_and_none_of_two() -> None:
    generator = np.random.default_rng(1)
    points = generator.normal(size=(500, 4))
    assert embedding.overlap(points[:300], points[300:]) == pytest.approx(1, abs=0.1)
    assert embedding.overlap(points[:300], points[300:] + 100) == 0
    assert embedding.mapped(points[:60]).shape == (60, 2)


def test_frames_are_prepared_and_bad_ones_named() -> None:
    learning = LearningConfig(**CONFIG)
    frames = np.random.default_rng(0).poisson(50, (3, 80, 80)).astype(np.uint16)
    arrays = prepare([(slice(0, 2), frames[:2]), (slice(2, 3), frames[2:])], 3, np.array([0, 4, 30]), learning, "a")
    assert arrays["label"].tolist() == [0, 1, 2]
    data = data_of(arrays, learning.systems["rows"], "a")
    assert data.inputs.shape == (3, 1, 64)
    assert (data.inputs > 0).all()
    np.testing.assert_array_equal(arrays["background"], np.median(frames, (1, 2)))
    with pytest.raises(ValueError, match=r"a has 3 frames, but 2 labels.*another file"):
        prepare([], 3, np.array([0, 4]), learning, "a")
    frames[2] = 65535
    with pytest.raises(ValueError, match=r"a, frame 2: .*saturated"):
        prepare([(slice(0, 3), frames)], 3, np.array([0, 4, 30]), learning, "a")


def test_a_system_may_be_trained_from_some_of_the_seeds() -> None:
    def of(**seeds: list[int]) -> LearningConfig:
        systems = {name: system | ({"seeds": seeds[name]} if name in seeds else {}) for name, system in SYSTEMS.items()}
        return LearningConfig(**CONFIG | {"systems": systems})

    assert {case.seed for case in cases(of(dann=[1]), "dann", "a", ["a", "b"])} == {1}
    assert {case.seed for case in cases(of(dann=[1]), "rows", "a", ["a", "b"])} == {0, 1}
    with pytest.raises(ValueError, match=r"systems.dann.seeds: \[7\] are none of"):
        of(dann=[7])
    with pytest.raises(ValueError, match="'rows' is not trained from all of its seeds"):
        of(rows=[0])


def test_config_errors_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"systems.dann.labels: 'lots' is none of"):
        LearningConfig(**CONFIG | {"systems": {"dann": CONFIG["systems"]["dann"] | {"labels": ["lots"]}}})
    with pytest.raises(ValueError, match=r"known: cnn, ke, rows, spots; did you mean 'rows'"):
        LearningConfig(**CONFIG | {"systems": {"a": {"network": "row", "labels": ["few"], "preprocessing": "local"}}})
    with pytest.raises(ValueError, match="ke takes at least 192 pixels, but is given 64"):
        LearningConfig(**CONFIG | {"systems": {"a": {"network": "ke", "labels": ["few"], "preprocessing": "local"}}})
    with pytest.raises(ValueError, match=r"no recipe is called 'kee'.*did you mean 'ke'"):
        LearningConfig(
            **CONFIG
            | {
                "systems": {
                    "a": {"network": "rows", "labels": ["few"], "preprocessing": "local", "recipe": {"base": "kee"}}
                }
            }
        )
