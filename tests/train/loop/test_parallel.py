"""Several processes that train one network: they come to what one comes to, and stop together."""

import csv
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from frames.files import read_json
from support.heads import sizes
from support.programs.ranks import fit_in_double, fit_until_the_second_dies
from train.batches.batches import Batches, RankSlice
from train.config.recipe import Recipe
from train.loop import parallel, training_loop
from train.loop.parallel import launch_ranks, learner
from train.models.registry import build
from train.tasks.classify import fit

CPU = torch.device("cpu")
# 112 patterns: seven batches of 15 and one of 7, none of which two processes halve. Adam's steps do not hang on a
# factor of the gradient, but with a penalty they do.
RECIPE = Recipe(epochs=2, batch_size=15, weight_decay=0.1)


class Outcome(NamedTuple):
    weights: dict[str, torch.Tensor]
    losses: np.ndarray
    """(epochs, 2) of training and validation"""
    record: dict


def outcome(folder: Path) -> Outcome:
    with open(folder / "history.csv", newline="") as stream:
        losses = [[float(row["train_loss"]), float(row["validation_loss"])] for row in csv.DictReader(stream)]
    weights = torch.load(folder / "model.pt", weights_only=True)["weights"]
    return Outcome(weights, np.array(losses), read_json(folder / "training.json"))


@pytest.fixture(scope="module")
def by_two(toy, tmp_path_factory) -> Outcome:
    folder = tmp_path_factory.mktemp("by_two")
    launch_ranks(2, CPU, fit_in_double, "late3", toy, RECIPE, 0, CPU, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "model.pt", "training.json"]
    return outcome(folder)


def test_two_processes_come_to_what_one_does(toy, tmp_path, by_two):
    """In float64, where sums in another order differ by 1e-16 of a gradient and Adam divides by no less than 1e-8: 16
    steps of 1e-3 differ by less than 16 · 1e-3 · 1e-8. Losses are float32."""
    launch_ranks(1, CPU, fit_in_double, "late3", toy, RECIPE, 0, CPU, tmp_path)
    by_one = outcome(tmp_path)
    for name, weights in by_one.weights.items():
        torch.testing.assert_close(by_two.weights[name], weights, rtol=0, atol=1.6e-10)
    np.testing.assert_allclose(by_two.losses, by_one.losses, rtol=1e-6)
    assert by_one.losses[-1, 0] < 0.9 * by_one.losses[0, 0], "nothing was learned: the comparison says nothing"
    assert (by_one.record["devices"], by_two.record["devices"]) == (1, 2)
    assert by_one.record["n_train"] == by_two.record["n_train"] == 112


def test_one_that_dies_stops_all_and_the_next_go_on(toy, tmp_path, by_two, caplog):
    """In the middle of the second epoch; resumed by two, the training ends to the bit as if nothing had happened."""
    caplog.set_level(logging.INFO)
    with pytest.raises(Exception, match="the second process died"):
        launch_ranks(2, CPU, fit_until_the_second_dies, "late3", toy, RECIPE, 0, CPU, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert caplog.text.count("epoch 1/2") == 1, "the first process logs, and it alone"
    launch_ranks(2, CPU, fit_in_double, "late3", toy, RECIPE, 0, CPU, tmp_path)
    assert "epochs 2 to 2" in caplog.text
    again = outcome(tmp_path)
    assert all(torch.equal(again.weights[name], weights) for name, weights in by_two.weights.items())
    assert (again.losses == by_two.losses).all()


@pytest.mark.parametrize("memory_gb", [1.0, 0.003], ids=["in memory", "streamed"])
def test_shares_make_up_the_batches(toy, memory_gb):
    """Row i of a batch is row i // n of process i % n, in batches that span shards as in others."""
    rows = toy.splits["train"]
    whole = list(Batches(toy, rows, 15, memory_gb, seed=3).epoch(2))
    shares = [list(Batches(toy, rows, 15, memory_gb, seed=3, share=RankSlice(rank, 4)).epoch(2)) for rank in range(4)]
    assert [len(batch) for batch in whole] == [15] * 7 + [7]
    for batch, *parts in zip(whole, *shares, strict=True):
        for rank, part in enumerate(parts):
            assert np.array_equal(part.images, batch.images[rank::4])
            assert np.array_equal(part.labels["hit_multiplicity"], batch.labels["hit_multiplicity"][rank::4])
            assert np.array_equal(part.labels["structure"], batch.labels["structure"][rank::4])


def test_a_network_that_normalises_over_batches_needs_gpus(monkeypatch):
    monkeypatch.setattr(parallel, "share", lambda: RankSlice(0, 2))
    with pytest.raises(ValueError, match="has batch normalisation"):
        learner(build("polar", sizes(2, 2)), CPU)


def test_a_last_batch_without_a_pattern_for_everyone_is_refused(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(training_loop, "share", lambda: RankSlice(0, 8))
    with pytest.raises(ValueError, match=r"7 pattern\(s\) for 8 processes; change recipe.batch_size, now 15"):
        fit("late3", toy, RECIPE, 0, CPU, tmp_path)


def test_gpus_that_are_not_there_are_an_error(toy, tmp_path):
    n = torch.cuda.device_count() + 2
    with pytest.raises(RuntimeError, match=rf"training.gpus_per_training is {n}, but torch finds {n - 2} GPU"):
        launch_ranks(n, torch.device("cuda"), fit, "late3", toy, RECIPE, 0, torch.device("cuda"), tmp_path)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("network", ["late3", "resnet18"])
def test_two_gpus_come_to_what_one_does(toy, tmp_path, network):
    """Batch normalisation included, of the whole batch; in float32 Adam's first steps follow the signs of gradients
    that rounding may turn, so that only the losses are held together."""
    device = torch.device("cuda")
    for n in (1, 2):
        launch_ranks(n, device, fit, network, toy, RECIPE, 0, device, tmp_path / str(n))
    one, two = outcome(tmp_path / "1"), outcome(tmp_path / "2")
    np.testing.assert_allclose(two.losses, one.losses, rtol=0.1)
