"""Methods on a stand-in for an experiment: each finds what is plain; the rule for classes; bad input."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from evaluate.virus import methods
from evaluate.virus.config import DetectionConfig, SelectionConfig
from evaluate.virus.em import EMConfig
from evaluate.virus.files import wanted
from evaluate.virus.methods import (
    Experiment,
    chosen_classes,
    classes_by_hand,
    em,
    ours,
    spectral,
    write_em_class,
    yolo,
)
from train.batches.drawn import labelled
from train.config.single_hits import DetectRecipe, FindRecipe
from train.models.polar.pattern import PolarPattern
from train.tasks.find_single import best_threshold, changed

HOW = SelectionConfig(
    n_rings=12, n_angles=24, r_min_pixels=2, em=EMConfig(n_classes=4, n_iterations=12),
    finder=FindRecipe(epochs=5, iterations=15, batch_size=32, members=2),
)  # fmt: skip


def stand_in(n: int = 240, size: int = 48) -> Experiment:
    """Rings are single hits; rings crossed by the fringes of two particles are not."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    r = np.hypot(x, y)
    single = generator.random(n) < 0.4
    frames = np.empty((n, size, size), np.uint16)
    for i in range(n):
        expected = np.exp(-r / 7) * (1 + 0.9 * np.cos(0.9 * r))
        if not single[i]:
            turn = generator.uniform(0, np.pi)
            expected = expected * (1 + 0.9 * np.cos(1.1 * (x * np.cos(turn) + y * np.sin(turn))))
        frames[i] = generator.poisson(generator.gamma(4, 2000) * expected / expected.sum())
    split = np.array(["train"] * 80 + ["validation"] * 40 + ["test"] * (n - 120))
    word = np.where(single, "single", "other")
    table = pd.DataFrame({"frame": np.arange(n) * 3 + 1, "split": split, "manual": word, "truth": word})
    return Experiment(frames, table, np.zeros((size, size), bool), ((size - 1) / 2,) * 2)


@pytest.fixture(scope="module")
def run() -> Experiment:
    return stand_in()


def right(run: Experiment, chosen: np.ndarray) -> float:
    return float((chosen == run.single[run.rows("test")]).mean())


def test_all_methods_find_what_is_plain(run, tmp_path, monkeypatch) -> None:
    mine = ours(run, HOW, 0, tmp_path / "ours")
    assert right(run, mine.chosen) > 0.88
    assert mine.frame[0] == 361
    selected, found, good = em(run, HOW, 0)
    assert right(run, selected.chosen) > 0.9
    write_em_class(tmp_path / "em.h5", found.classes, np.isin(found.classes, good))
    with h5py.File(tmp_path / "em.h5") as file:
        assert file["em_class/classes"][()].min() >= 1
        assert np.array_equal(file["em_class/select"][run.rows("test")], selected.chosen)
    assert right(run, spectral(run, HOW, 0, 8).chosen) > 0.85
    monkeypatch.setattr(methods, "CLUSTERED", 180)  # 60 of the 120 test frames; the others by their neighbours
    assert right(run, spectral(run, HOW, 0, 8).chosen) > 0.85


def test_a_kind_that_no_label_shows_is_learned_from_simulated_frames(run, tmp_path) -> None:
    generator = np.random.default_rng(5)
    r = np.hypot(*(np.mgrid[:48, :48] - 23.5))
    shallow = np.exp(-r / 7) * (1 + 0.4 * np.cos(0.9 * r))
    shallow_ones = generator.poisson(8000 * shallow / shallow.sum(), (120, 48, 48)).astype(np.uint16)
    table = run.table.copy()
    table.loc[run.rows("test"), ["manual", "truth"]] = "other"
    frames = run.frames.copy()
    frames[run.rows("test")] = shallow_ones  # rings of less contrast: nobody labelled such a frame
    asked = replace(run, frames=frames, table=table)
    bins = asked.bins(HOW)
    seen = bins.of(np.concatenate((run.frames[run.rows("test")], shallow_ones[:60])))
    single = np.concatenate((run.single[run.rows("test")], np.zeros(60, bool)))
    alone = ours(asked, HOW, 0, tmp_path / "alone").score[60:]
    more = ours(asked, HOW, 0, tmp_path / "more", labelled(seen, single)).score[60:]
    assert (alone > 0).mean() > 0.7
    assert (more > 0).mean() < 0.3


def test_a_row_of_the_slides_is_trained_and_selects(run, tmp_path) -> None:
    recipe = DetectRecipe(optimiser="adamw", learning_rate=3e-3, batch_size=8, epochs=5, iterations=3, jitter=0.0)
    how = DetectionConfig(methods=("yolov2_jet_log",), image_size=32, width=0.03, recipe=recipe)
    selected = yolo(run, "yolov2_jet_log", how, 0, tmp_path)
    assert selected.box.shape == (120, 4)
    assert np.isfinite(selected.score).all()
    with pytest.raises(ValueError, match="expected some of yolov2_jet_linear"):
        DetectionConfig(methods=("yolov9",))


def test_a_method_may_have_seeds_of_its_own() -> None:
    methods = ("yolov2_jet_linear", "yolov3_jet_linear")
    how = DetectionConfig(methods=methods, seeds=(0, 1), seeds_of={"yolov3_jet_linear": (4,)})
    assert how.trainings == [("yolov2_jet_linear", 0), ("yolov2_jet_linear", 1), ("yolov3_jet_linear", 4)]
    assert wanted(how, HOW) == [*how.trainings, ("em", 0), ("spectral", 0), ("ours", 0)]
    with pytest.raises(ValueError, match=r"seeds_of has 'yolov2_jet_log' .* one of yolov2_jet_linear, yolov3"):
        DetectionConfig(methods=methods, seeds_of={"yolov2_jet_log": (0,)})


def test_a_turn_changes_no_answer() -> None:
    torch.manual_seed(0)
    model, images = PolarPattern(12).eval(), torch.rand(3, 1, 24, 16)
    torch.testing.assert_close(model(images.roll(5, 3)), model(images))


def test_what_is_masked_and_thinned_is_seen_so(run) -> None:
    bins = run.bins(HOW)
    photons = bins.of(run.frames[:40])
    batch = labelled(photons, run.single[:40])
    whole = FindRecipe(thinned=0, masked=0)
    same = changed(batch, np.random.default_rng(0), bins.live, whole).images
    for image, photon in zip(same[:, :12], photons, strict=True):
        assert image.shape == photon.shape
    assert (
        same[:, 12:].mean()
        > changed(batch, np.random.default_rng(0), bins.live, FindRecipe(masked=1)).images[:, 12:].mean()
    )


def test_classes_are_chosen_by_the_rule(tmp_path) -> None:
    classes = np.array([0] * 10 + [1] * 10 + [2] * 10)
    single = np.array([True] * 9 + [False] + [True] * 6 + [False] * 4 + [True] + [False] * 9)
    assert chosen_classes(classes, single, 4).tolist() == [0, 1]  # F1 .83 of both, .69 of the first, .70 of all
    assert best_threshold(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False])) == 1
    (tmp_path / "good.csv").write_text("class\n2\n4\n")
    assert classes_by_hand(tmp_path / "good.csv", 4).tolist() == [1, 3]
    (tmp_path / "bad.csv").write_text("class\n5\n")
    with pytest.raises(ValueError, match="from 1 to 4"):
        classes_by_hand(tmp_path / "bad.csv", 4)


def test_an_experiment_without_positives_is_refused(run) -> None:
    table = run.table.assign(manual=np.where(run.table["split"] == "train", "other", run.table["manual"]))
    with pytest.raises(ValueError, match="0 of 80 frames of the train split"):
        Experiment(run.frames, table, run.mask, run.centre)
    with pytest.raises(ValueError, match="the mask is"):
        Experiment(run.frames, run.table, run.mask[1:], run.centre)


def test_other_labels_frames_and_centres_are_another_training() -> None:
    one = stand_in(130)
    labels = one.table.copy()
    labels.loc[0, "manual"] = "other" if one.table["manual"][0] == "single" else "single"
    frames = one.frames.copy()
    frames[5, 20, 20] += 1
    others = [replace(one, table=labels), replace(one, frames=frames), replace(one, centre=(23.0, 23.5))]
    assert one.digest == stand_in(130).digest
    assert len({one.digest, *(other.digest for other in others)}) == 4
