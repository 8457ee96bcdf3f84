"""Numbers of any questions: against those of shots at single particles, by hand, and through a whole training."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from evaluate.classification.tables import columns_for, majority_row, model_tables, score_row
from evaluate.metrics import by_target
from evaluate.metrics.accuracy import accuracies as of_shots
from evaluate.metrics.accuracy import majority
from evaluate.metrics.calibration import calibrate
from evaluate.metrics.confusion import collapsed_heads, confusions
from evaluate.metrics.operating_points import operating_points
from evaluate.predictions.labels import labels_of, target_labels
from evaluate.predictions.predictions import (
    answer,
    averaged,
    predict_splits,
    predictions_table,
    read_predictions,
    truth,
    write_predictions,
)
from evaluate.run.files import RunFiles
from evaluate.table_files import read_table, write_table
from frames.readout.config import ReadoutConfig
from frames.store import integrity, writer
from frames.store.dataset import Dataset, open_dataset
from frames.store.layout import Layout
from frames.targets import Target
from support.datasets import make_dataset
from train.config.recipe import Recipe
from train.inference.predict import predict
from train.loop.checkpoint import load_model
from train.tasks.classify import fit

CPU = torch.device("cpu")
KIND = Target("kind", ("left", "middle", "right"))
HIT = Target("hit", ("miss", "hit"), kept="hit")
PEAKS = Target("hit_multiplicity", (2, 0, 1), kept=1)
"""Whose name begins like another's, and whose classes are in an order of their own."""


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, pd.DataFrame]:
    """1,000 shots, some empty, and made-up answers that are right more often than not."""
    n, rng = 1000, np.random.default_rng(0)
    count, structure = rng.integers(0, 3, n), rng.choice(["a", "b"], n)
    images = np.zeros((n, 2, 2), np.uint16)
    names = np.where(count == 0, "", structure)
    folder = make_dataset(tmp_path_factory.mktemp("shots") / "d", images, names, count, patterns_per_shard=1000)
    dataset = open_dataset(folder)
    logits = [rng.normal(size=(n, len(target.classes))) for target in dataset.targets]
    for target, values in zip(dataset.targets, logits, strict=True):
        codes = dataset.labels(target.name)
        values[np.flatnonzero(codes >= 0), codes[codes >= 0]] += 2
    made = [np.exp(v) / np.exp(v).sum(axis=1, keepdims=True) for v in logits]
    return dataset, predictions_table(dataset, slice(0, n), *made)


def test_of_shots_they_are_the_numbers_of_their_tables(shots: tuple[Dataset, pd.DataFrame]) -> None:
    dataset, predictions = shots
    targets, test = dataset.targets, predictions[predictions["split"] == "test"]
    found, known = by_target.accuracies(test, targets), of_shots(truth(test), answer(test))
    assert found == {
        "test_accuracy": known.test_accuracy,
        "hit_multiplicity_accuracy": known.count_accuracy,
        "hit_multiplicity_1_accuracy": known.single_hit_accuracy,
        "structure_accuracy": known.particle_accuracy,
    }
    assert 0.5 < found["test_accuracy"] < min(found["structure_accuracy"], found["hit_multiplicity_accuracy"])
    common = majority(*(labels_of(dataset, split) for split in ("train", "test")))
    assert by_target.majority(*(target_labels(dataset, split) for split in ("train", "test")), targets) == {
        "test_accuracy": common.test_accuracy,
        "hit_multiplicity_accuracy": common.count_accuracy,
        "hit_multiplicity_1_accuracy": common.single_hit_accuracy,
        "structure_accuracy": common.particle_accuracy,
    }
    for name, matrix in confusions(test, dataset).items():
        assert np.array_equal(by_target.confusion(test, dataset.layout.target(name)), matrix)
    assert by_target.collapsed(test, targets) == collapsed_heads(test) == ()
    trust = by_target.calibration(predictions, targets)
    assert trust.pop("target").tolist() == ["hit_multiplicity", "structure", "hit_multiplicity_1"]
    pd.testing.assert_frame_equal(trust, calibrate(predictions).drop(columns="head"))
    points = by_target.operating_points(predictions, targets, [0.6, 0.7])
    assert (points.pop("target") == "hit_multiplicity").all()
    pd.testing.assert_frame_equal(points, operating_points(predictions, [0.6, 0.7]))
    assert points["yield"].notna().all()


def test_three_patterns_by_hand() -> None:
    """The second has no kind; told of the third is a hit, by 0.6, which it is not."""
    predictions = pd.DataFrame(
        {
            "hit": ["hit", "miss", "miss"],
            "kind": ["left", "none", "right"],
            "predicted_hit": ["hit", "miss", "hit"],
            "predicted_kind": ["middle", "left", "right"],
            "p_hit_miss": [0.2, 0.9, 0.4],
            "p_hit_hit": [0.8, 0.1, 0.6],
        }
    )
    assert by_target.accuracies(predictions, [HIT, KIND]) == {
        "test_accuracy": pytest.approx(1 / 3),
        "hit_accuracy": pytest.approx(2 / 3),
        "hit_hit_accuracy": pytest.approx(2 / 3),
        "kind_accuracy": 1 / 2,
    }
    assert by_target.confusion(predictions, KIND).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert by_target.confusion(predictions, HIT).tolist() == [[1, 1], [0, 1]]
    assert by_target.collapsed(predictions.assign(predicted_hit="hit"), [HIT, KIND]) == ("hit",)


@pytest.mark.parametrize("targets", [(KIND,), (HIT, PEAKS, KIND)], ids=["one question", "three questions"])
def test_a_toy_goes_from_store_to_table_by_its_questions_alone(targets: tuple[Target, ...], tmp_path: Path) -> None:
    """Which third of an image is bright; with three questions, whether any is, and in how many places."""
    dataset = toy(targets, tmp_path / "toy")
    recipe = Recipe(epochs=6, batch_size=16, learning_rate=3e-3, input_transform="log1p", optimiser="adamw")
    history = fit("late3", dataset, recipe, 0, CPU, tmp_path / "model")
    columns = list(pd.read_csv(tmp_path / "model" / "history.csv"))
    assert [name for name in columns if name.endswith("_collapsed")] == [f"{t.name}_collapsed" for t in targets]
    trained = load_model(tmp_path / "model" / "model.pt", CPU)
    assert trained.description.targets == targets
    assert history[-1].validation_accuracies.keys() == {target.name for target in targets}

    write_predictions(
        predict_splits(partial(predict, trained), dataset, ("validation", "test")), tmp_path / "predictions.parquet"
    )
    predictions = read_predictions(tmp_path / "predictions.parquet", None)
    for target in targets:
        codes = target.codes(predictions[target.name].to_numpy())
        assert np.array_equal(codes, dataset.labels(target.name)[predictions["pattern"]])
        p = predictions[[f"p_{target.name}_{value}" for value in target.classes]].to_numpy()
        assert p.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert np.array_equal(target.values(p.argmax(axis=1)), predictions[f"predicted_{target.name}"])
    pd.testing.assert_frame_equal(averaged([predictions, predictions]), predictions)

    found = by_target.accuracies(predictions[predictions["split"] == "test"], targets)
    assert min(found.values()) > 0.95
    points = by_target.operating_points(predictions, targets, [0.5])
    assert points["target"].tolist() == [target.name for target in targets if target.kept is not None]
    tables_of_any_questions(predictions, dataset, tmp_path / "tables")
    told = {"run": "toy", "dataset": "toy", "model": "late3", "seed": 0}
    rows = pd.read_csv(tmp_path / "model" / "history.csv").assign(**told)
    write_table(rows, tmp_path / "tables" / "history.csv", columns_for(targets)["history"], {})
    table = read_table(RunFiles(tmp_path), "history")
    assert list(table)[-len(targets) :] == [f"validation_{target.name}_accuracy" for target in targets]
    assert table["validation_accuracy"].iloc[-1] == pytest.approx(history[-1].validation_accuracy)


def tables_of_any_questions(predictions: pd.DataFrame, dataset: Dataset, folder: Path) -> None:
    """Written by what `write_tables` calls, read as the report reads them, against the predictions themselves."""
    targets, test = dataset.targets, predictions[predictions["split"] == "test"]
    files, columns = RunFiles(folder.parent), columns_for(targets)
    folder.mkdir()
    score = score_row(target_labels(dataset, "train"), test, targets)
    majority = majority_row(target_labels(dataset, "train"), target_labels(dataset, "test"), targets)
    about = {"run": "toy", "dataset": "toy", "model": "late3", "seed": 0}
    for name, rows in {"cnn": pd.concat([score, majority]), **model_tables(predictions, targets)}.items():
        write_table(rows.assign(**about), files.table(name), columns[name], {})
    tables = {name: read_table(files, name) for name in ("cnn", *model_tables(predictions, targets))}

    assert "per_class" not in tables  # of structures and how many of them
    kept = [target for target in targets if target.kept is not None]
    asked = [*(target.name for target in targets), *(f"{target.name}_{target.kept}" for target in kept)]
    network, common = tables["cnn"].iloc[0], tables["cnn"].iloc[1]
    assert [name for name in tables["cnn"] if name.endswith("_accuracy")] == [
        *("test_accuracy", *(f"{name}_accuracy" for name in asked), "majority_accuracy")
    ]
    for target in targets:
        rows = test[test[target.name] != ("none" if target.name == "kind" else -1)]
        right = (rows[target.name] == rows[f"predicted_{target.name}"]).mean()
        train = target_labels(dataset, "train")[target.name]
        most = train[train != "none"].value_counts().index[0]
        assert network[f"{target.name}_accuracy"] == pytest.approx(right)
        assert common[f"{target.name}_accuracy"] == pytest.approx((rows[target.name] == most).mean())
        matrix = tables["confusion"][tables["confusion"]["target"] == target.name]
        assert matrix["n"].sum() == len(rows)
        assert matrix[matrix["label"] == matrix["predicted"]]["n"].sum() == pytest.approx(right * len(rows))
        labels = tables["per_label"][tables["per_label"]["target"] == target.name]
        assert labels["label"].tolist() == [str(value) for value in target.classes]
        assert labels["n"].tolist() == [(rows[target.name] == value).sum() for value in target.classes]
    assert tables["heads"]["target"].tolist() == ["both", *(target.name for target in targets)]
    assert tables["heads"]["accuracy"].iloc[0] == pytest.approx(network["test_accuracy"])
    assert tables["calibration"]["target"].tolist() == asked
    assert tables["reliability"]["target"].unique().tolist() == asked
    for name in ("selection", "purity"):
        assert tables[name]["target"].unique().tolist() == [target.name for target in kept]


def toy(targets: Sequence[Target], folder: Path) -> Dataset:
    """240 images of 128 x 128: nothing, or one bright third or two, which is the kind."""
    n, rng = 240, np.random.default_rng(1)
    asks_for_hits = len(targets) > 1
    kind, places = rng.integers(0, 3, n), rng.integers(0, 3, n) if asks_for_hits else np.ones(n, int)
    images = rng.poisson(0.05, (n, 128, 128))
    for image, third, number in zip(images, kind, places, strict=True):
        for place in range(number):
            image[64 * place : 64 * place + 40, 42 * third : 42 * third + 42] += rng.poisson(3.0, (40, 42))
    said = {
        "kind": np.where(places > 0, np.array(KIND.classes)[kind], ""),
        "hit": np.where(places > 0, "hit", "miss"),
        "hit_multiplicity": places,
    }
    layout = Layout(n, (128, 128), "photons", 16, 64, tuple(targets), ReadoutConfig().model_dump(mode="json"))
    labels = {target.name: writer.target_label(target, said[target.name]) for target in targets}
    labels["split"] = writer.split_label(["train"] * 140 + ["validation"] * 40 + ["test"] * 60)
    labels["seed"] = writer.seed_label(range(n))
    writer.create(folder, layout, labels, writer.pixel_maps(np.ones((128, 128))))
    for shard in range(layout.n_shards):
        writer.write_shard(folder, layout, shard, images[layout.rows(shard)].astype(np.uint16), made_from="test")
    integrity.complete(folder, {})
    return open_dataset(folder)
