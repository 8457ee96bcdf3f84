"""Detectors learn, resume, and select what five checkpoints agree on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from train.batches.drawn import Boxed, labelled
from train.batches.representation import Representation
from train.config.single_hits import PRESETS, DetectRecipe
from train.loop import training_loop
from train.tasks.detect import (
    checkpoints_of,
    describe_detector,
    fit_detector,
    found,
    intersection,
    load_detector,
    select,
)

CPU = torch.device("cpu")
RECIPE = DetectRecipe(
    optimiser="adamw", learning_rate=3e-3, batch_size=8, epochs=6, iterations=5, jitter=0.1, hue=0.02, distort=1.1
)
FASTER = {"learning_rate": 6e-3, "schedule": "cosine", "jitter": 0.0}
SEEN = Representation("jet", "linear", 64)


def blobs(n: int, seed: int) -> Boxed:
    """Pictures of noise, in half of which lies one bright square."""
    generator = np.random.default_rng(seed)
    images, single = generator.integers(0, 60, (n, 64, 64)).astype(np.uint8), np.arange(n) % 2 == 0
    boxes = np.full((n, 4), np.nan)
    for i in np.flatnonzero(single):
        x, y = generator.integers(22, 42, 2)
        images[i, y - 12 : y + 12, x - 12 : x + 12] = 230
        boxes[i] = x, y, 24, 24
    return labelled(images, single, boxes)


def described(architecture: str, **changes):
    return describe_detector(architecture, SEEN, 0.05, replace(RECIPE, **changes), 0, "blobs", "0")


@pytest.mark.parametrize("architecture", ["yolov2", "yolov3"])
def test_a_detector_learns_what_shows_a_particle(architecture, tmp_path) -> None:
    changes = {"yolov2": {"epochs": 12}, "yolov3": {"epochs": 9, "iterations": 10, **FASTER}}[architecture]
    description = described(architecture, **changes)
    history = fit_detector(description, blobs(48, 0), blobs(24, 1), CPU, tmp_path, measure_threads=False)
    assert history[-1].validation_f1 > 0.9
    epochs, iterations = description.recipe.epochs, description.recipe.iterations
    kept = [str(iterations * i) for i in range(epochs - 4, epochs + 1)]
    assert [path.stem for path in checkpoints_of(tmp_path)] == kept
    test = blobs(40, 2)
    scores, selected, _ = select(tmp_path, test.images, CPU, blobs(24, 1))
    assert scores.shape == (5, 40)
    assert np.array_equal(selected, intersection(scores, 0.25))
    assert (selected == (test.single == 1)).mean() > 0.8
    model, kept = load_detector(tmp_path / "model.pt", CPU)
    assert kept.representation == SEEN
    np.testing.assert_array_equal(found(model, test.images)[1], scores[-1])


def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, monkeypatch) -> None:
    description, data = described("yolov2"), (blobs(24, 0), blobs(12, 1))
    whole = fit_detector(description, *data, CPU, tmp_path / "whole", measure_threads=False)
    saves = []

    def save_and_break(*given) -> None:
        training_loop_save(*given)
        saves.append(1)
        if len(saves) == 3:
            raise KeyboardInterrupt

    training_loop_save = training_loop.save
    monkeypatch.setattr(training_loop, "save", save_and_break)
    with pytest.raises(KeyboardInterrupt):
        fit_detector(description, *data, CPU, tmp_path / "torn", measure_threads=False)
    monkeypatch.undo()
    resumed = fit_detector(description, *data, CPU, tmp_path / "torn", measure_threads=False)
    assert [row.train_loss for row in resumed] == [row.train_loss for row in whole]
    for one, other in zip(checkpoints_of(tmp_path / "whole"), checkpoints_of(tmp_path / "torn"), strict=True):
        mine, theirs = (load_detector(path, CPU)[0].state_dict() for path in (one, other))
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_without_a_threshold_the_validation_frames_decide_it(tmp_path) -> None:
    description, validation, test = described("yolov2", threshold=None, balanced=True), blobs(24, 1), blobs(40, 2)
    history = fit_detector(description, blobs(48, 0), validation, CPU, tmp_path, measure_threads=False)
    assert history[-1].validation_recall > 0  # of a detector that never exceeds 0.25, too
    known, _, _ = select(tmp_path, validation.images, CPU, validation, hopeless=0)
    scores, selected, _ = select(tmp_path, test.images, CPU, validation, hopeless=0)
    single, lowest = validation.single == 1, known.min(0)
    f1 = {t: 2 * single[lowest >= t].sum() / ((lowest >= t).sum() + single.sum()) for t in lowest}
    threshold = max(f1, key=lambda t: f1[t])
    assert np.array_equal(selected, scores.min(0) >= threshold)
    # not to ask about what is hopeless changes neither what is selected nor a score from there on
    few, same, boxes = select(tmp_path, test.images, CPU, validation, hopeless=1)
    assert np.isnan(few).any()
    assert np.array_equal(same, selected)
    assert np.isfinite(boxes).all()
    asked = np.isfinite(few)
    assert np.array_equal(few[asked], scores[asked])
    assert (scores.min(0)[~asked.all(0)] < threshold).all()


def test_selected_is_what_all_checkpoints_select() -> None:
    scores = np.array([[0.9, 0.9, 0.1], [0.3, 0.2, 0.1]])
    assert intersection(scores, 0.25).tolist() == [True, False, False]


def test_darknets_preset_has_darknets_numbers() -> None:
    darknet = PRESETS["darknet"]
    assert (darknet.optimiser, darknet.weight_decay, darknet.learning_rate, darknet.batch_size) == (
        "sgd",
        5e-4,
        1e-3,
        64,
    )
    assert (darknet.jitter, darknet.hue, darknet.distort, darknet.epochs * darknet.iterations) == (0.3, 0.1, 1.5, 4400)
    assert PRESETS["darknet-yolov3"].batch_size == 24
    assert training_loop.rate_factor("burn_in", 499, 4400) == pytest.approx(0.5**4)
    assert training_loop.rate_factor("burn_in", 1000, 4400) == 1


def test_wrong_settings_and_files_are_said(tmp_path) -> None:
    with pytest.raises(ValueError, match="jitter is"):
        DetectRecipe(jitter=0.7)
    with pytest.raises(ValueError, match="no detector is called"):
        described("yolov9")
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        checkpoints_of(tmp_path)
