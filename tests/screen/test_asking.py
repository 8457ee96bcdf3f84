"""A network that is asked about what it was not trained on says so, or does not answer; whichever command asks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from frames.formats.open import open_frames
from frames.targets import shot_targets
from screen import asking
from screen.asking import Asked, differing, unlike
from screen.classify import main
from simulate.experiment.geometry import square_detector
from support.datasets import make_dataset
from support.made.speckle import counted, expected, read
from train.config.recipe import Recipe
from train.inference.domain import Range, Setup, summarised
from train.inference.features import measure
from train.loop.checkpoint import Description, TrainedModel, load_model, network, save, save_model
from train.loop.history import Epoch

CPU = torch.device("cpu")
SETUP = Setup(photon_energy_eV=4600.0, distance_mm=323.0, pixel_size_um=600.0, q_step=0.00433, masked=0.0)
N = 40


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    """Random weights, trained on counts."""
    torch.manual_seed(0)
    recipe = Recipe(input_transform="anscombe")
    described = {"targets": shot_targets(("a", "b"), (1, 2)), "image_shape": (128, 128)}
    names = {"dataset": "toy", "dataset_digest": "abc", "source": "def"}
    description = Description(model="late3", recipe=recipe, seed=0, **described, **names)
    domain = summarised(measure(counted(300, 1)), measure(counted(200, 2)), recipe, SETUP)
    epoch = Epoch(**dict.fromkeys(Epoch.__dataclass_fields__, 1))
    return TrainedModel(network(description, CPU).eval(), description, epoch, domain)


@pytest.fixture(scope="module")
def model_file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("seed0") / "model.pt"
    save_model(path, trained.description, trained.epoch, trained.model.state_dict(), trained.domain)
    return path


def in_domain(path):
    header, *rows = path.read_text().splitlines()
    assert header.endswith(",in_domain")
    return [row.rpartition(",")[2] for row in rows]


def saved(path, frames):
    np.save(path, frames)
    return path


def test_what_it_was_trained_on_comes_back_with_the_network(trained, model_file):
    assert load_model(model_file, CPU).domain == trained.domain


def test_frames_like_the_trainings_are_answered_for_without_a_word(model_file, tmp_path, capsys):
    path = saved(tmp_path / "a.npy", counted(N, 3))
    assert main([str(model_file), str(path), "-o", str(tmp_path / "a.csv")]) == 0
    assert in_domain(tmp_path / "a.csv") == ["1"] * N
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("frames", "named"),
    [
        (lambda: np.zeros((N, 128, 128)), "photons per frame 0 (training "),
        (lambda: -counted(N, 3).astype(float), "lowest pixel -"),
        (lambda: 130 * counted(N, 3).astype(float), "variance of noise over photons 1"),
        (lambda: read(N, 3), "share of pixels that are whole numbers 0 (training 1, "),
        (lambda: 100 * expected(N, 3), "photons per frame"),
    ],
    ids=["zeros", "negative", "ADUs", "read noise", "expectations"],
)
def test_far_frames_are_refused_unless_it_is_forced(frames, named, model_file, tmp_path, capsys):
    path, out = saved(tmp_path / "a.npy", frames()), tmp_path / "a.csv"
    assert main([str(model_file), str(path), "-o", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert f"a.npy: 100% of {N} frames looked at are far from what late3 was trained on (toy): " in captured.err
    assert named in captured.err
    assert captured.err.endswith("Train on frames like these (docs/guide/selecting.md), or predict with --force\n")
    assert [*tmp_path.iterdir()] == [path]

    assert main([str(model_file), str(path), "-o", str(out), "--force"]) == 0
    assert in_domain(out) == ["0"] * N
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: {path}: {N} of {N} frames (100.0%) are outside of what late3 was trained on")
    assert named in warning


def test_some_frames_outside_are_counted_and_marked(model_file, tmp_path, capsys):
    frames = counted(N, 3)
    frames[[5, 20, 33]] = 0
    path = saved(tmp_path / "a.npy", frames)
    assert main([str(model_file), str(path), "-o", str(tmp_path / "a.csv")]) == 0
    assert [n for n, inside in enumerate(in_domain(tmp_path / "a.csv")) if inside == "0"] == [5, 20, 33]
    warning = capsys.readouterr().err
    assert f"warning: {path}: 3 of {N} frames (7.5%) are outside" in warning
    assert "in_domain 0: photons per frame" in warning  # said of more than a twentieth


def test_of_a_long_file_a_few_frames_are_looked_at_everywhere(trained, tmp_path, monkeypatch):
    """Half of them far is no reason to refuse the others, more is."""
    monkeypatch.setattr(asking, "LOOKED_AT", (4, 2))
    looked_at = []

    def asked(frames):
        opened = open_frames(saved(tmp_path / "a.npy", frames))
        fetch = opened.fetch
        return Asked(
            trained, replace(opened, fetch=lambda rows: looked_at.append((rows.start, rows.stop)) or fetch(rows))
        )

    frames = counted(N, 3)
    frames[:20] = 0
    assert asked(frames).look(force=False) == []
    assert looked_at == [(0, 2), (12, 14), (25, 27), (38, 40)]
    frames[25] = 0
    with pytest.raises(ValueError, match="62% of 8 frames looked at are far"):
        asked(frames).look(force=False)
    assert asked(counted(1, 3)).look(force=False) == []


def test_a_network_of_which_nothing_is_known_says_so(trained, tmp_path, capsys):
    save_model(tmp_path / "model.pt", trained.description, trained.epoch, trained.model.state_dict())
    path = saved(tmp_path / "a.npy", np.zeros((3, 128, 128)))
    assert main([str(tmp_path / "model.pt"), str(path), "-o", str(tmp_path / "a.csv")]) == 0
    assert in_domain(tmp_path / "a.csv") == ["", "", ""]
    said = capsys.readouterr().err
    assert said == (
        "warning: nothing is known of the frames that late3 was trained on (toy): in_domain is empty; train it again\n"
    )


@pytest.mark.parametrize("domain", [[], {}, {"ranges": {}}, "much"])
def test_a_file_with_another_kind_of_domain_is_no_model(domain, trained, model_file, tmp_path):
    contents = torch.load(model_file, weights_only=True) | {"domain": domain}
    save(tmp_path / "other.pt", contents)
    with pytest.raises(ValueError, match=r"other\.pt does not hold a model of this version .*; train it again"):
        load_model(tmp_path / "other.pt", CPU)


@pytest.mark.parametrize(
    ("changed", "named", "is_far"),
    [
        ({"photon_energy_eV": 4700}, [], False),
        ({"photon_energy_eV": 5000}, ["photon energy [eV] is 5000, the training's 4600", "step of q"], False),
        ({"distance_mm": 400}, ["distance [mm] is 400, the training's 323", "step of q"], False),
        ({"distance_mm": 200}, ["distance [mm] is 200", "step of q across a pixel [1/A] is 0.006993"], True),
        ({"photon_energy_eV": 9200, "distance_mm": 646}, ["photon energy", "distance"], False),
        ({"pixel_size_um": 300}, ["pixel size [um] is 300, the training's 600", "step of q"], True),
    ],
)
def test_another_beam_or_detector_is_said_and_pixels_of_another_q_are_refused(
    changed, named, is_far, trained, tmp_path, capsys
):
    """The dataset says what it was recorded with; the frames themselves are like the training's."""
    geometry = {"photon_energy_eV": 4600, "n_pixels": 128, "pixel_size_um": 600, "distance_mm": 323} | changed
    folder = make_dataset(tmp_path / "data", counted(N, 3), ["a", "b"] * (N // 2), [1, 2] * (N // 2))
    square_detector(**geometry).save(folder / "geometry.npz")
    asked = Asked(trained, open_frames(folder))
    if is_far:
        with pytest.raises(ValueError, match=r"step of q .*, not as what late3 was trained on \(toy\)\. Train on"):
            asked.look(force=False)
    warnings = asked.look(force=is_far)
    assert len(warnings) == len(named)
    for warning, name in zip(warnings, named, strict=True):
        assert warning.startswith(f"{folder}: {name}")


def test_what_a_file_does_not_say_is_not_held_against_it(trained):
    assert differing(trained.domain, Setup()) == []
    assert differing(trained.domain, replace(SETUP, q_step=None, distance_mm=None)) == []
    assert differing(replace(trained.domain, setup=Setup()), SETUP) == []


def test_another_mask_is_said_but_to_who_learned_with_parts_missing(trained):
    half = replace(SETUP, masked=0.5)
    assert differing(trained.domain, half) == [("masked are 50.0% of the pixels, in training 0.0%", False)]
    assert differing(replace(trained.domain, missing=0.5), half) == []


def test_the_worst_is_named_first(trained):
    frames = counted(N, 3).astype(float)
    frames[: N // 2] *= 130
    frames[:, 64:] = 0
    named = unlike(trained.domain, trained.domain.compared(measure(frames)), Range.inside)
    assert named[0].startswith(("middle of the photons along y", "emptiest quadrant"))
    assert any(text.startswith("variance of noise") for text in named[1:])
