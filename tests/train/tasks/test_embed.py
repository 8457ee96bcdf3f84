"""Twin networks learn to tell single from multiple hits, without the structures held out, and survive being killed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from frames.files import read_json, sha256
from train.config.recipe import TwinRecipe
from train.inference.embed import embed_frames
from train.loop import training_loop
from train.loop.checkpoint import load_encoder, load_model
from train.tasks import embed as fit_twin_module
from train.tasks.embed import fit_twin, nearest_centroid, positive_labels, tells_nothing_apart

CPU = torch.device("cpu")
RECIPE = TwinRecipe(epochs=4, batch_size=16, weight_decay=0.0, embedding_dim=3)


@pytest.mark.parametrize("distance", ["rms", "squared_l2"])
@pytest.mark.parametrize("mining", ["random", "batch_hard", "semi_hard"])
def test_an_easy_dataset_is_learned(toy, tmp_path, mining, distance):
    recipe = replace(RECIPE, mining=mining, distance=distance, epochs=6)
    history = fit_twin("late3", toy, recipe, 0, CPU, tmp_path)  # late5 collapses under batch_hard
    assert history[-1].validation_accuracy == 1.0
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].collapsed == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("evolution.npz", "history.csv", "model.pt", "support.npz", "training.json")
    ]


def test_proxies_alone_teach_as_well(toy, tmp_path):
    """A margin so small that triplets cost nothing once apart; the proxies are part of the model that is saved."""
    recipe = replace(RECIPE, distance="squared_l2", margin=0.0, proxy_weight=1.0, epochs=6)
    history = fit_twin("late5", toy, recipe, 0, CPU, tmp_path)
    assert history[-1].validation_accuracy == 1.0
    assert history[-1].train_loss < history[0].train_loss
    assert load_encoder(tmp_path / "model.pt", CPU).model.heads.proxies.shape == (2, 3)


def test_what_is_left_is_what_the_encoder_says(toy, tmp_path):
    """Structures held out are neither in what is known nor in what was watched."""
    fit_twin("late5", toy, RECIPE, 0, CPU, tmp_path, held_out=["left"])
    trained = load_encoder(tmp_path / "model.pt", CPU)
    assert trained.description.held_out == ("left",)
    rows = toy.splits["train"]
    kept = toy.structure[rows] == toy.structures.index("right")
    with np.load(tmp_path / "support.npz") as known:
        np.testing.assert_allclose(known["embeddings"], embed_frames(trained, toy.read(rows))[kept], atol=1e-6)
        assert (known["is_single"] == (toy.hit_multiplicity[rows][kept] == 1)).all()
        assert set(known["structure"]) == {"right"}
    rows = toy.splits["validation"]
    kept = toy.structure[rows] == toy.structures.index("right")
    with np.load(tmp_path / "evolution.npz") as evolution:
        assert evolution["embeddings"].shape == (4, kept.sum(), 3)
        np.testing.assert_allclose(evolution["embeddings"][-1], embed_frames(trained, toy.read(rows))[kept], atol=1e-6)


def test_nothing_is_learned_from_what_is_held_out(toy, tmp_path, monkeypatch):
    """Of 112 training patterns, every second one shows the structure held out; the other 56 are seen in each epoch."""
    seen = []

    def watched(images, *rest):
        seen.append(torch.as_tensor(images))
        return network_input(images, *rest)

    network_input = training_loop.network_input
    monkeypatch.setattr(training_loop, "network_input", watched)
    fit_twin("late3", toy, replace(RECIPE, epochs=1), 0, CPU, tmp_path, held_out=["left"])
    rows = toy.splits["train"]
    expected = toy.read(rows)[toy.structure[rows] == toy.structures.index("right")]
    assert read_json(tmp_path / "training.json")["n_train"] == len(expected) == 56
    order = np.argsort(expected.sum((1, 2)))
    found = torch.cat(seen).numpy()
    np.testing.assert_array_equal(found[np.argsort(found.sum((1, 2)))], expected[order])


def test_embeddings_of_unit_length_are_for_squared_l2_alone(toy, tmp_path):
    for distance in ("rms", "squared_l2"):
        fit_twin("late5", toy, replace(RECIPE, epochs=1, distance=distance), 0, CPU, tmp_path / distance)
        embeddings = embed_frames(load_encoder(tmp_path / distance / "model.pt", CPU), toy.read(toy.splits["test"]))
        length = np.linalg.norm(embeddings, axis=1)
        assert np.allclose(length, 1, atol=1e-5) == (distance == "squared_l2")


class Killed(Exception):
    pass


def test_an_interrupted_training_ends_as_if_it_had_not_been(toy, tmp_path, monkeypatch):
    recipe = replace(RECIPE, mining="random")
    whole = fit_twin("late5", toy, recipe, 0, CPU, tmp_path / "whole")
    network_input, left = training_loop.network_input, iter(range(17))

    def dying(*arguments):
        if next(left, None) is None:
            raise Killed
        return network_input(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "network_input", dying)
        with pytest.raises(Killed):
            fit_twin("late5", toy, recipe, 0, CPU, tmp_path / "killed")
    again = fit_twin("late5", toy, recipe, 0, CPU, tmp_path / "killed")
    assert [replace(row, seconds=0, images_per_s=0) for row in again] == [
        replace(row, seconds=0, images_per_s=0) for row in whole
    ]
    for name in ("support.npz", "evolution.npz"):
        with np.load(tmp_path / "whole" / name) as one, np.load(tmp_path / "killed" / name) as other:
            assert (one["embeddings"] == other["embeddings"]).all()


def test_what_fails_after_the_last_epoch_does_not_lose_the_training(toy, tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(fit_twin_module, "write_arrays", lambda *arguments: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            fit_twin("late5", toy, RECIPE, 0, CPU, tmp_path)
    caplog.clear()
    caplog.set_level("INFO")
    assert len(fit_twin("late5", toy, RECIPE, 0, CPU, tmp_path)) == RECIPE.epochs
    assert "epoch 1/" not in caplog.text
    assert (tmp_path / "support.npz").exists()
    assert not (tmp_path / "checkpoint.pt").exists()


def test_an_encoder_that_tells_nothing_apart_is_called_collapsed(toy, tmp_path, caplog):
    history = fit_twin("late5", toy, replace(RECIPE, epochs=1, learning_rate=1e-9, margin=0.0), 0, CPU, tmp_path)
    with np.load(tmp_path / "evolution.npz") as evolution:
        is_single = torch.from_numpy(evolution["is_single"])
        answer = nearest_centroid(torch.from_numpy(evolution["embeddings"][0]), is_single)
    assert history[0].embedding_collapsed == tells_nothing_apart(answer, is_single)


def test_a_threshold_that_keeps_too_many_is_no_collapse():
    """Of 300 single and 900 multiple hits 290 and 500 right: fewer than always "multiple", and far from chance."""
    is_single = torch.arange(1200) < 300
    answer = torch.cat([torch.arange(300) < 290, torch.arange(900) >= 500])
    assert (answer == is_single).double().mean() < 0.75
    assert not tells_nothing_apart(answer, is_single)
    assert tells_nothing_apart(torch.zeros(1200, dtype=torch.bool), is_single)  # always "multiple"
    assert tells_nothing_apart(~answer, is_single)  # worse than chance
    assert not tells_nothing_apart(torch.zeros(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool))


def test_a_twentieth_of_answers_by_chance_pass():
    generator = torch.Generator().manual_seed(0)
    is_single = torch.arange(1200) < 300
    passed = sum(not tells_nothing_apart(torch.rand(1200, generator=generator) < 0.5, is_single) for _ in range(2000))
    assert 0.03 < passed / 2000 < 0.07


def test_nearest_centroid_by_a_loop():
    generator = torch.Generator().manual_seed(1)
    embeddings, is_single = torch.randn(20, 2, generator=generator), torch.rand(20, generator=generator) < 0.5
    answers = nearest_centroid(embeddings, is_single)
    for row in range(20):
        others = [n for n in range(20) if n % 2 != row % 2]
        centres = [embeddings[[n for n in others if bool(is_single[n]) == which]].mean(0) for which in (True, False)]
        distance = [(embeddings[row] - centre).square().sum() for centre in centres]
        assert bool(answers[row]) == bool(distance[0] < distance[1])


@pytest.mark.parametrize(
    ("which", "expected"),
    [("single", [(0, 3), (1, 2), (1, 4), (2, 4)]), ("multiplicity", [(0, 3), (1, 2)]), ("class", [(1, 2)])],
)
def test_what_makes_patterns_alike(which, expected):
    labels = positive_labels(which, np.array([1, 2, 2, 1, 3]), np.array([0, 0, 0, 1, 1]))
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5) if labels[i] == labels[j]]
    assert pairs == expected


@pytest.mark.parametrize(
    ("network", "held_out", "message"),
    [
        ("early", [], "cannot embed"),
        ("late5", ["gnome"], "not among the structures"),
        ("late5", ["left", "right"], "every structure .* is held out"),
    ],
)
def test_what_cannot_be_trained_is_said_before_it_is(toy, tmp_path, network, held_out, message):
    with pytest.raises(ValueError, match=message):
        fit_twin(network, toy, RECIPE, 0, CPU, tmp_path, held_out)


def test_a_twin_is_no_network_with_two_answers(toy, tmp_path):
    fit_twin("late5", toy, replace(RECIPE, epochs=1), 0, CPU, tmp_path)
    with pytest.raises(ValueError, match="holds a twin network, expected a classifier of structure and number"):
        load_model(tmp_path / "model.pt", CPU)


def test_a_training_goes_on_from_another_twins_weights(toy, tmp_path):
    """At a rate of next to nothing they are still the same; and its file says whose they were."""
    first, second = tmp_path / "first", tmp_path / "second"
    fit_twin("late3", toy, RECIPE, 0, CPU, first)
    fit_twin("late3", toy, replace(RECIPE, epochs=1, learning_rate=1e-12), 1, CPU, second, start=first / "model.pt")
    begun, went_on = (load_encoder(folder / "model.pt", CPU) for folder in (first, second))
    for name, weights in begun.model.named_parameters():
        torch.testing.assert_close(went_on.model.get_parameter(name), weights, atol=1e-9, rtol=0)
    assert went_on.description.start == sha256(first / "model.pt")
    assert begun.description.start is None
    assert read_json(second / "training.json")["start"] == went_on.description.start


def test_no_training_goes_on_from_what_saw_a_structure_held_out(toy, tmp_path):
    seen, unseen = tmp_path / "seen", tmp_path / "unseen"
    fit_twin("late3", toy, replace(RECIPE, epochs=1), 0, CPU, seen)
    fit_twin("late3", toy, replace(RECIPE, epochs=1), 0, CPU, unseen, ["left"])
    with pytest.raises(ValueError, match=r"learned from \['left'\], which are held out"):
        fit_twin("late3", toy, RECIPE, 0, CPU, tmp_path / "leak", ["left"], start=seen / "model.pt")
    fit_twin("late3", toy, replace(RECIPE, epochs=1), 0, CPU, tmp_path / "fine", ["left"], start=unseen / "model.pt")
    with pytest.raises(ValueError, match="begin with a twin of this kind"):
        fit_twin("late5", toy, RECIPE, 0, CPU, tmp_path / "other", start=seen / "model.pt")


def test_a_checkpoint_of_another_start_is_not_continued(toy, tmp_path, monkeypatch, caplog):
    for seed in (0, 1):
        fit_twin("late3", toy, replace(RECIPE, epochs=1), seed, CPU, tmp_path / f"{seed}")
    folder, reported = tmp_path / "begun", training_loop._report

    def killed(*args):
        reported(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(training_loop, "_report", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_twin("late3", toy, RECIPE, 0, CPU, folder, start=tmp_path / "0" / "model.pt")
    monkeypatch.setattr(training_loop, "_report", reported)
    history = fit_twin("late3", toy, RECIPE, 0, CPU, folder, start=tmp_path / "1" / "model.pt")
    assert "is of another start: training starts from scratch" in caplog.text
    assert len(history) == RECIPE.epochs
