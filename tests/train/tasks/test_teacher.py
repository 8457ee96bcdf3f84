"""A network learns another's answers: from its file alone, of the images that it sees, and of nothing held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from train.batches.input_transforms import network_input
from train.config.recipe import Recipe, TwinRecipe
from train.export import export, export_twin
from train.few_shot.support import read_support
from train.inference.embed import embed_frames
from train.inference.predict import predict_frames
from train.loop import training_loop
from train.loop.checkpoint import load_encoder, load_model
from train.models.encoder import encoder
from train.tasks.classify import fit
from train.tasks.embed import fit_twin
from train.tasks.teacher import load_teacher

CPU = torch.device("cpu")
TWIN = TwinRecipe(epochs=3, batch_size=16, weight_decay=0.0, embedding_dim=3, distance="squared_l2")
CLASSIFIER = Recipe(epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def taught(toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a twin network that did not learn of `left`, and of a classifier, each as model.pt and as ONNX."""
    folder = tmp_path_factory.mktemp("teachers")
    fit_twin("late3", toy, TWIN, 0, CPU, folder / "twin", held_out=["left"])
    fit("late3", toy, CLASSIFIER, 0, CPU, folder / "classifier")
    frames = toy.read(slice(0, 8))
    encoder = load_encoder(folder / "twin" / "model.pt", CPU)
    support = read_support(folder / "twin" / "model.pt", TWIN.embedding_dim)
    (folder / "twin.onnx").write_bytes(export_twin(encoder, support, frames))
    (folder / "classifier.onnx").write_bytes(export(load_model(folder / "classifier" / "model.pt", CPU), frames))
    return folder


def test_a_teacher_answers_as_its_network_does(taught, toy):
    frames = toy.read(slice(0, 20)).astype(np.float32)
    images = torch.from_numpy(frames)
    embeddings = embed_frames(load_encoder(taught / "twin" / "model.pt", CPU), frames)
    for file in ("twin/model.pt", "twin.onnx"):
        found = load_teacher(str(taught / file), CPU).answers(images)
        np.testing.assert_allclose(found.numpy(), embeddings, atol=1e-5)
    probabilities = predict_frames(load_model(taught / "classifier" / "model.pt", CPU), frames)
    for file in ("classifier/model.pt", "classifier.onnx"):
        found = load_teacher(str(taught / file), CPU).answers(images)
        assert list(found) == ["hit_multiplicity", "structure"]
        for expected, head in zip(probabilities, found.values(), strict=True):
            np.testing.assert_allclose(head.softmax(1).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("file", ["twin/model.pt", "twin.onnx"])
def test_a_network_comes_nearer_to_its_teacher_without_any_label(taught, toy, tmp_path, file):
    recipe = replace(TWIN, epochs=8, teacher=str(taught / file), label_weight=0.0)
    history = fit_twin("late5", toy, recipe, 1, CPU, tmp_path, held_out=["left"])
    assert history[-1].train_loss < 0.1 * history[0].train_loss
    rows = toy.splits["test"]
    frames = toy.read(rows)[toy.structure[rows] == toy.structures.index("right")].astype(np.float32)
    theirs = load_teacher(str(taught / file), CPU).answers(torch.from_numpy(frames)).numpy()
    ours = embed_frames(load_encoder(tmp_path / "model.pt", CPU), frames)
    assert np.square(ours - theirs).sum(1).mean() < 0.1 * np.square(theirs - theirs.mean(0)).sum(1).mean()


def test_a_classifier_learns_the_teachers_probabilities(taught, toy, tmp_path):
    recipe = replace(CLASSIFIER, epochs=6, teacher=str(taught / "classifier.onnx"), label_weight=0.0)
    history = fit("late5", toy, recipe, 1, CPU, tmp_path)
    assert history[-1].train_loss < 0.5 * history[0].train_loss
    assert history[-1].validation_accuracy == 1.0  # of labels that it was never told


def test_the_loss_is_that_of_labels_and_of_the_teacher_by_their_weights(taught, toy, tmp_path):
    """Of one step, before any weight has changed; the same seed gives the same network and batch."""

    def first(name: str, **how: float) -> float:
        recipe = replace(CLASSIFIER, epochs=1, batch_size=112, teacher=str(taught / "classifier.onnx"), **how)
        return fit("late3", toy, recipe, 2, CPU, tmp_path / name)[0].train_loss

    labels, teacher = first("labels", teacher_weight=0.0), first("teacher", label_weight=0.0)
    assert first("both", teacher_weight=0.5, label_weight=2.0) == pytest.approx(2 * labels + 0.5 * teacher, rel=1e-5)
    assert fit("late3", toy, replace(CLASSIFIER, epochs=1, batch_size=112), 2, CPU, tmp_path / "none")[
        0
    ].train_loss == pytest.approx(labels, rel=1e-6)


def test_the_teacher_is_asked_about_the_images_that_the_network_sees(taught, toy, tmp_path, monkeypatch):
    """Where parts of the detector are missing, of both."""
    asked, seen, network_input = [], [], training_loop.network_input
    answers = load_teacher(str(taught / "twin.onnx"), CPU)
    spied = replace(answers, answers=lambda images: (asked.append(images.clone()), answers.answers(images))[1])
    monkeypatch.setattr("train.tasks.teacher.load_teacher", lambda *_: spied)
    monkeypatch.setattr(
        training_loop,
        "network_input",
        lambda images, *rest: (seen.append(images.clone()), network_input(images, *rest))[1],
    )
    recipe = replace(TWIN, epochs=1, teacher=str(taught / "twin.onnx"), detector_dropout=1.0)
    fit_twin("late3", toy, recipe, 0, CPU, tmp_path, held_out=["left"])
    assert len(asked) == len(seen) == 4
    assert all(torch.equal(one, other) for one, other in zip(asked, seen, strict=True))
    assert any((images == 0).any() for images in asked)


def test_a_teacher_that_knows_what_is_held_out_is_refused(taught, toy, tmp_path):
    recipe = replace(TWIN, teacher=str(taught / "twin.onnx"))
    with pytest.raises(ValueError, match=r"learned from right, which are held out here.*same fold"):
        fit_twin("late3", toy, recipe, 0, CPU, tmp_path, held_out=["right"])
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"teacher": "classifier.onnx"}, "is a classifier, expected a twin network"),
        ({"teacher": "twin.onnx", "embedding_dim": 4}, "has embedding_dim 3, expected the recipe's, 4"),
        ({"teacher": "twin.onnx", "distance": "rms"}, "has distance squared_l2, expected the recipe's, rms"),
    ],
)
def test_a_teacher_of_another_kind_is_refused(taught, toy, tmp_path, change, said):
    recipe = replace(TWIN, **(change | {"teacher": str(taught / change["teacher"])}))
    with pytest.raises(ValueError, match=said):
        fit_twin("late3", toy, recipe, 0, CPU, tmp_path, held_out=["left"])


def test_weights_of_the_same_name_and_shape_are_taken_over(taught, toy, tmp_path, monkeypatch):
    """Without a step the network is its teacher where both are of one kind; elsewhere it shares what fits."""
    teacher = load_teacher(str(taught / "twin" / "model.pt"), CPU)
    torch.manual_seed(1)
    same, other = (encoder(name, 3, "squared_l2") for name in ("late3", "late5"))
    assert set(teacher.start(same)) == set(teacher.weights)
    images = torch.from_numpy(toy.read(slice(0, 4)).astype(np.float32))
    standard = network_input(images, "standardise", CPU)
    torch.testing.assert_close(same.eval()(standard), teacher.answers(images))
    kept = other.state_dict()
    alike = teacher.start(other)
    assert 0 < len(alike) < len(kept)
    for name, weights in other.state_dict().items():
        assert torch.equal(weights, teacher.weights[name] if name in alike else kept[name])
    with pytest.raises(ValueError, match="has no weights of the names and shapes"):
        load_teacher(str(taught / "twin.onnx"), CPU).start(other)


def test_a_training_starts_as_its_teacher_where_the_recipe_says_so(taught, toy, tmp_path):
    recipe = replace(TWIN, epochs=1, teacher=str(taught / "twin" / "model.pt"), label_weight=0.0, learning_rate=1e-12)
    near = fit_twin("late3", toy, replace(recipe, starts_as_teacher=True), 5, CPU, tmp_path / "near", held_out=["left"])
    far = fit_twin("late3", toy, recipe, 5, CPU, tmp_path / "far", held_out=["left"])
    assert near[0].train_loss < 0.1 * far[0].train_loss  # not zero: in training statistics are the batch's


def test_files_that_are_none_are_named(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no .*none\.pt; expected a model\.pt"):
        fit("late3", toy, replace(CLASSIFIER, teacher=str(tmp_path / "none.pt")), 0, CPU, tmp_path)
    with pytest.raises(ValueError, match="starts_as_teacher with teacher ''"):
        Recipe(starts_as_teacher=True)
    with pytest.raises(ValueError, match="both 0"):
        Recipe(teacher="some.pt", teacher_weight=0.0, label_weight=0.0)


def test_an_interrupted_distillation_goes_on_and_one_by_another_teacher_does_not(
    taught, toy, tmp_path, monkeypatch, caplog
):
    file = tmp_path / "teacher.onnx"
    file.write_bytes((taught / "twin.onnx").read_bytes())
    recipe = replace(TWIN, epochs=2, teacher=str(file))
    whole = fit_twin("late3", toy, recipe, 0, CPU, tmp_path / "whole", held_out=["left"])
    network_input, left = training_loop.network_input, iter(range(6))  # into the second epoch, of four steps

    def dying(*arguments):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return network_input(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "network_input", dying)
        with pytest.raises(KeyboardInterrupt):
            fit_twin("late3", toy, recipe, 0, CPU, tmp_path / "killed", held_out=["left"])
    kept = (tmp_path / "killed" / "checkpoint.pt").read_bytes()
    again = fit_twin("late3", toy, recipe, 0, CPU, tmp_path / "killed", held_out=["left"])
    assert [row.train_loss for row in again] == [row.train_loss for row in whole]
    (tmp_path / "killed" / "checkpoint.pt").write_bytes(kept)
    with file.open("ab") as stream:
        stream.write(b"\x72\x00")  # an empty field: another file, of the same network
    caplog.clear()
    fit_twin("late3", toy, recipe, 0, CPU, tmp_path / "killed", held_out=["left"])
    assert "is of another teacher: training starts from scratch" in caplog.text
