"""The training loop: it learns, repeats itself, and survives being killed."""

import csv
import itertools
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from frames.files import read_json
from frames.store.dataset import open_dataset
from support.datasets import make_dataset
from train.batches.augment import augment
from train.config.recipe import Recipe
from train.loop import training_loop
from train.loop.checkpoint import load_model
from train.loop.history import kept_epoch
from train.loop.training_loop import rate_factor
from train.tasks.classify import fit
from train.tasks.validation import collapsed

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=4, batch_size=16, weight_decay=0.0)
# 112 patterns of 64 KiB are 7.3 MB; this makes the loop stream them, one shard of 16 (1 MB) at a time
STREAMED = replace(RECIPE, memory_gb=0.003)
SCHEDULED = replace(
    RECIPE, optimiser="adamw", schedule="cosine", precision="bfloat16", augment="poster", label_smoothing=0.1
)
BY_MUON = replace(RECIPE, optimiser="muon")
both_ways = pytest.mark.parametrize("recipe", [RECIPE, STREAMED], ids=["in memory", "streamed"])

needs_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def outcome(folder, history):
    """All that must not depend on when and how often a training was interrupted."""
    weights = load_model(folder / "model.pt", CPU).model.state_dict()
    return [replace(row, images_per_s=0, seconds=0) for row in history], weights


def assert_same(one, other):
    assert one[0] == other[0]
    for name, tensor in one[1].items():
        assert torch.equal(tensor, other[1][name]), name


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_an_easy_dataset_is_learned(toy, tmp_path, device):
    history = fit("late10", toy, replace(RECIPE, epochs=10), 0, torch.device(device), tmp_path)
    assert history[-1].validation_accuracy == 1.0
    assert history[-1].validation_loss < 0.05 < history[0].validation_loss
    assert not history[-1].collapsed
    with open(tmp_path / "history.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 11))
    assert float(rows[-1]["train_loss"]) == history[-1].train_loss
    record = read_json(tmp_path / "training.json")
    assert (record["n_train"], record["n_validation"], record["collapsed"]) == (112, 16, [])
    assert not record["is_dead"]
    assert record["kept"]["validation_accuracy"] == 1.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "model.pt", "training.json"]


@pytest.mark.parametrize("network", ["azimuthal", "folded"])
def test_images_of_256_pixels_are_learned_and_asked_about(tmp_path, network):
    """Which half is bright: the network is built for the dataset's images, and again for its file."""
    generator = np.random.default_rng(0)
    bright = np.arange(40) % 2 == 0
    images = generator.poisson(np.where(bright, 3.0, 0.5)[:, None, None], (40, 256, 256)).astype(np.uint16)
    dataset = open_dataset(make_dataset(tmp_path / "large", images, ["a"] * 40, 1 + bright.astype(int)))
    recipe = replace(RECIPE, input_transform="photons", epochs=2, batch_size=8)
    history = fit(network, dataset, recipe, 0, CPU, tmp_path / "model")
    assert len(history) == 2
    trained = load_model(tmp_path / "model" / "model.pt", CPU)
    assert trained.description.image_shape == (256, 256)
    with torch.inference_mode():
        answer = trained.model(torch.from_numpy(images[:4].astype(np.float32))[:, None])
    assert answer["hit_multiplicity"].shape == (4, 2)
    with pytest.raises(ValueError, match=r"takes images of 128 x 128 pixels, not of 256 x 256"):
        fit("late10", dataset, recipe, 0, CPU, tmp_path / "late10")


@both_ways
def test_the_same_seed_gives_the_same_network(toy, tmp_path, recipe):
    runs = [outcome(tmp_path / n, fit("late10", toy, recipe, 5, CPU, tmp_path / n)) for n in ("a", "b")]
    assert_same(*runs)
    _, other = outcome(tmp_path / "c", fit("late10", toy, recipe, 6, CPU, tmp_path / "c"))
    name = "heads.layers.of_hit_multiplicity.weight"
    assert not torch.equal(runs[0][1][name], other[name])


def test_the_cosine_schedule_rises_for_a_tenth_and_falls_to_zero():
    rates = [rate_factor("cosine", step, 1000) for step in range(1000)]
    assert rates[:100] == pytest.approx([(step + 1) / 100 for step in range(100)])
    assert max(rates) == rates[99] == 1
    assert rates[549] == pytest.approx(0.5)  # half of the way down
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[99:]))
    assert {rate_factor("constant", step, 1000) for step in range(1000)} == {1}


def test_a_pattern_is_augmented_in_the_same_way_in_every_epoch(toy, tmp_path, monkeypatch):
    """What the network is shown in training is the augmented training split, in another order each epoch."""
    seen = []

    def watched(images, *rest):
        seen.append(torch.as_tensor(images))
        return network_input(images, *rest)

    network_input = training_loop.network_input
    monkeypatch.setattr(training_loop, "network_input", watched)
    fit("late10", toy, replace(RECIPE, epochs=2, augment="poster"), 0, CPU, tmp_path)
    rows = toy.splits["train"]
    expected = augment(torch.from_numpy(toy.read(rows)), toy.seed[rows])
    shown = torch.cat(seen).unflatten(0, (2, len(expected)))
    for epoch in shown:
        order, expected_order = (images.sum((1, 2)).argsort() for images in (epoch, expected))
        torch.testing.assert_close(epoch[order], expected[expected_order])
    assert not torch.equal(shown[0], shown[1])


class Killed(Exception):
    pass


def fit_and_die(dataset, recipe, folder, after_batches):
    """Start a training with seed 0 that dies when it asks for one batch more."""
    network_input, batches = training_loop.network_input, iter(range(after_batches))

    def dying(*arguments):
        if next(batches, None) is None:
            raise Killed
        return network_input(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_loop, "network_input", dying)
        with pytest.raises(Killed):
            fit("late10", dataset, recipe, 0, CPU, folder)


@pytest.mark.parametrize(
    "recipe", [RECIPE, STREAMED, SCHEDULED, BY_MUON], ids=["in memory", "streamed", "scheduled", "by muon"]
)
def test_an_interrupted_training_ends_as_if_it_had_not_been(toy, tmp_path, recipe):
    """Seven batches an epoch: the first death is in the middle of the third, the second in that of the fourth."""
    whole = outcome(tmp_path / "whole", fit("late10", toy, recipe, 0, CPU, tmp_path / "whole"))
    for after_batches in (17, 10):
        fit_and_die(toy, recipe, tmp_path / "killed", after_batches)
        assert not (tmp_path / "killed" / "model.pt").exists()
    assert_same(outcome(tmp_path / "killed", fit("late10", toy, recipe, 0, CPU, tmp_path / "killed")), whole)


def test_another_recipes_checkpoint_is_not_continued(toy, tmp_path, caplog):
    fit_and_die(toy, RECIPE, tmp_path / "old", after_batches=17)
    changed = replace(RECIPE, learning_rate=2e-3)
    again = outcome(tmp_path / "old", fit("late10", toy, changed, 0, CPU, tmp_path / "old"))
    assert "another recipe: training starts from scratch" in caplog.text
    assert_same(again, outcome(tmp_path / "new", fit("late10", toy, changed, 0, CPU, tmp_path / "new")))


def test_a_last_batch_of_one_pattern_is_refused_where_batches_are_normalised(toy, tmp_path):
    n_train = toy.splits["train"].stop - toy.splits["train"].start
    recipe = replace(RECIPE, batch_size=n_train - 1, epochs=1)
    fit("late10", toy, recipe, 0, CPU, tmp_path / "late10")
    with pytest.raises(ValueError, match=f"one pattern, of {n_train}, and azimuthal normalises over batches"):
        fit("azimuthal", toy, recipe, 0, CPU, tmp_path / "azimuthal")


def test_a_damaged_checkpoint_is_an_error_that_names_it(toy, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged"):
        fit("late10", toy, RECIPE, 0, CPU, tmp_path)


def test_the_best_epoch_can_be_kept(toy, tmp_path):
    """Learning stops at the worst possible rate: the best validation accuracy is not in the last epoch."""
    recipe = replace(RECIPE, epochs=6, learning_rate=1e-2, checkpoint="best")
    history = fit("late10", toy, recipe, 1, CPU, tmp_path / "best")
    best = kept_epoch(history, "best")
    assert best.validation_accuracy == max(row.validation_accuracy for row in history)
    assert best.epoch < len(history), "this recipe no longer tells the best from the last"
    short = replace(recipe, epochs=best.epoch, checkpoint="last")
    fit("late10", toy, short, 1, CPU, tmp_path / "short")
    kept, last = (load_model(tmp_path / name / "model.pt", CPU) for name in ("best", "short"))
    assert kept.epoch.epoch == best.epoch
    for name, tensor in kept.model.state_dict().items():
        assert torch.equal(tensor, last.model.state_dict()[name])


def test_a_network_that_learns_nothing_is_called_so(toy, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    history = fit("late10", toy, replace(RECIPE, epochs=1, learning_rate=1e-9), 0, CPU, tmp_path)
    assert history[0].collapsed == ["hit_multiplicity", "structure"]
    assert load_model(tmp_path / "model.pt", CPU).epoch.collapsed == ["hit_multiplicity", "structure"]
    assert "no better than the majority class: hit_multiplicity, structure" in caplog.text


def test_a_network_that_no_gradient_reaches_is_not_trained_on(toy, tmp_path, monkeypatch, caplog):
    def nothing(model, how):
        for parameters in model.convolutions.parameters():
            torch.nn.init.zeros_(parameters)

    def die(*arguments):
        raise Killed

    monkeypatch.setattr(training_loop, "initialise", nothing)
    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "save_model", die)  # after the checkpoint, before the end
        with pytest.raises(Killed):
            fit("late10", toy, RECIPE, 0, CPU, tmp_path)
    history = fit("late10", toy, RECIPE, 0, CPU, tmp_path)
    assert [row.epoch for row in history] == [1]
    assert history[0].collapsed == ["hit_multiplicity", "structure"]
    record = read_json(tmp_path / "training.json")
    assert (record["is_dead"], record["kept"]["epoch"]) == (True, 1)
    assert "the gradient of the first layer is zero: training stops after epoch 1" in caplog.text


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ([0, 0, 0, 0], [0, 1, 0, 1], True),  # one answer
        ([0, 1, 1, 0], [0, 0, 0, 1], True),  # varied, but right less often than the majority
        ([0, 1, 0, 0], [0, 1, 0, 1], False),
        ([0, 0, 0, 0], [0, 0, 0, 0], False),  # one class is all there is
    ],
)
def test_collapsed(answer, truth, expected):
    assert collapsed(torch.tensor(answer), torch.tensor(truth)) is expected


def test_a_loss_that_is_no_number_stops_the_training(toy, tmp_path):
    with pytest.raises(RuntimeError, match="learning_rate"):
        fit("late10", toy, replace(RECIPE, learning_rate=1e15), 0, CPU, tmp_path)
    assert not (tmp_path / "model.pt").exists()
