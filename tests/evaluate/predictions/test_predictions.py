"""The tidy table of predictions."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from evaluate.predictions.predictions import (
    averaged,
    predict_splits,
    predictions_table,
    probability_columns,
    read_predictions,
    write_predictions,
)
from frames.store.dataset import Dataset, open_dataset
from support.datasets import make_dataset
from train.config.recipe import Recipe
from train.inference.predict import predict
from train.loop.checkpoint import describe, load_model, network, save_model
from train.loop.history import Epoch

STRUCTURES = ["ring", "ball", "ball", "ring", "ball", "ring", "ball", "ring", "ball", "ring"]
MULTIPLICITIES = [1, 1, 3, 3, 1, 3, 1, 1, 3, 3]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Ten patterns of 128 x 128 pixels; rows 8 and 9 are the test split."""
    images = np.random.default_rng(0).poisson(2.0, (10, 128, 128)).astype(np.uint16)
    return open_dataset(make_dataset(tmp_path / "noisy", images, STRUCTURES, MULTIPLICITIES))


def test_answers_are_the_most_probable_class_of_each_head(dataset: Dataset) -> None:
    count = np.array([[0.4, 0.6], [0.7, 0.3], [0.5, 0.5]])
    particle = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    table = predictions_table(dataset, slice(7, 10), count, particle)
    assert table.columns.tolist() == [
        *("split", "pattern", "hit_multiplicity", "structure", "predicted_hit_multiplicity", "predicted_structure"),
        *("p_hit_multiplicity_1", "p_hit_multiplicity_3", "p_structure_ball", "p_structure_ring"),
    ]
    assert table["split"].tolist() == ["validation", "test", "test"]
    assert table["pattern"].tolist() == [7, 8, 9]
    assert table["structure"].tolist() == ["ring", "ball", "ring"]
    assert table["hit_multiplicity"].tolist() == [1, 3, 3]
    assert table["predicted_structure"].tolist() == ["ball", "ring", "ring"]
    assert table["predicted_hit_multiplicity"].tolist() == [3, 1, 1]
    assert table["p_structure_ring"].tolist() == [0.1, 0.8, 0.7]


def test_probabilities_must_fit_rows_and_classes(dataset: Dataset) -> None:
    good, bad = np.full((2, 2), 0.5), np.full((2, 3), 0.3)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), expected \(2, 2\)"):
        predictions_table(dataset, slice(8, 10), good, bad)
    with pytest.raises(ValueError, match=r"shape \(2, 2\), expected \(1, 2\)"):
        predictions_table(dataset, slice(9, 10), good, good)
    with pytest.raises(ValueError, match="not all finite"):
        predictions_table(dataset, slice(8, 10), good, np.array([[0.5, 0.5], [np.nan, 0.5]]))


def test_the_mean_of_answers_is_the_mean_of_their_probabilities(dataset: Dataset) -> None:
    """Two that are hardly for one class, and one that is surely for another: the sure one wins. By hand."""
    hardly, sure = np.array([[0.55, 0.45], [0.3, 0.7]]), np.array([[0.1, 0.9], [0.2, 0.8]])
    tables = [predictions_table(dataset, slice(8, 10), one, one) for one in (hardly, hardly, sure)]
    together = averaged(tables)
    assert list(together) == list(tables[0])
    assert together["p_hit_multiplicity_1"].tolist() == pytest.approx([0.4, 0.8 / 3])
    assert together["p_structure_ring"].tolist() == pytest.approx([0.6, 2.2 / 3])
    assert together["predicted_hit_multiplicity"].tolist() == [3, 3]
    assert together["predicted_structure"].tolist() == ["ring", "ring"]
    assert together["predicted_hit_multiplicity"].dtype == tables[0]["predicted_hit_multiplicity"].dtype
    pd.testing.assert_frame_equal(averaged(tables[:1]), tables[0])


def test_answers_about_other_patterns_have_no_mean(dataset: Dataset) -> None:
    half = np.full((2, 2), 0.5)
    tables = [predictions_table(dataset, rows, half, half) for rows in (slice(7, 9), slice(8, 10))]
    with pytest.raises(ValueError, match=r"^these predictions are not about the same patterns; delete"):
        averaged(tables)


def test_a_table_survives_its_file(dataset: Dataset, tmp_path: Path) -> None:
    table = predictions_table(dataset, slice(6, 10), np.full((4, 2), 0.5), np.full((4, 2), 0.5))
    path = tmp_path / "new" / "late10-seed0.parquet"
    write_predictions(table, path)
    pd.testing.assert_frame_equal(read_predictions(path, None), table)
    assert read_predictions(path)["pattern"].tolist() == [8, 9]
    assert read_predictions(path, "validation")["pattern"].tolist() == [7]
    assert read_predictions(path, "train").index.tolist() == [0]
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["late10-seed0.parquet"]


def test_splits_are_asked_about_one_by_one(dataset: Dataset) -> None:
    """The answers are told rows of the dataset, and the table has them below each other."""

    def answers(asked: Dataset, rows: slice) -> tuple[NDArray, NDArray]:
        number = np.arange(len(asked))[rows, None] / 10
        return np.hstack([number, 1 - number]), np.hstack([1 - number, number])

    table = predict_splits(answers, dataset, ("validation", "test"))
    assert table["split"].tolist() == ["validation", "test", "test"]
    assert table["pattern"].tolist() == [7, 8, 9]
    assert table.index.tolist() == [0, 1, 2]
    assert table["p_hit_multiplicity_1"].tolist() == table["p_structure_ring"].tolist() == [0.7, 0.8, 0.9]


def test_a_network_is_asked_about_that_split(dataset: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    description = describe("late10", dataset, Recipe(), seed=0)
    model = network(description, torch.device("cpu")).eval()
    epoch = Epoch(1, 1.0, 1.0, 0.5, 100.0, 1.0, {}, {})
    save_model(tmp_path / "model.pt", description, epoch, model.state_dict())
    trained = load_model(tmp_path / "model.pt", torch.device("cpu"))
    table = predict_splits(partial(predict, trained, batch_size=1), dataset, ("test",))
    images = torch.tensor(dataset.read(dataset.splits["test"]))[:, None]
    centred = images - images.mean((-2, -1), keepdim=True)
    with torch.inference_mode():
        logits = model(centred / centred.square().mean((-2, -1), keepdim=True).sqrt())
    assert table["pattern"].tolist() == [8, 9]
    expected = logits["hit_multiplicity"].softmax(1).numpy()
    # Batches of one and of two round differently in float32.
    np.testing.assert_allclose(table[["p_hit_multiplicity_1", "p_hit_multiplicity_3"]], expected, atol=1e-5)
    np.testing.assert_allclose(
        table[["p_structure_ball", "p_structure_ring"]], logits["structure"].softmax(1), atol=1e-5
    )


@pytest.mark.parametrize("targets", [("hit", "hit_multiplicity"), ("number", "number_of")])
def test_columns_belong_to_the_longest_target_that_begins_them(targets: tuple[str, str]) -> None:
    """Whichever of the two comes first by the alphabet or in the table."""
    names = [f"p_{targets[0]}_1", *(f"p_{targets[1]}_{k}" for k in (1, 2))]
    for order in (targets, targets[::-1]):
        table = pd.DataFrame([[0.0] * 5], columns=[*(f"predicted_{target}" for target in order), *names])
        assert probability_columns(table) == {targets[0]: names[:1], targets[1]: names[1:]}


def test_a_part_of_a_table_keeps_its_columns_in_its_file(tmp_path: Path) -> None:
    """Rows are counted anew on reading, and what counted them before is no column."""
    table = pd.DataFrame({"split": ["test", "validation", "test"], "pattern": [7, 8, 9]})
    write_predictions(table[table["pattern"] > 7], tmp_path / "part.parquet")
    for split, patterns in ((None, [8, 9]), ("test", [9])):
        read = read_predictions(tmp_path / "part.parquet", split)
        assert read.columns.tolist() == ["split", "pattern"]
        assert read.index.tolist() == list(range(len(patterns)))
        assert read["pattern"].tolist() == patterns
