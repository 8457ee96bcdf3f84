"""`singlehit select FILE` without a model: the network that ships, on patterns simulated here."""

import csv

import numpy as np
import pytest

from evaluate.single_hit.trial import made_up, simulated
from screen.select import main
from singlehit.command import main as singlehit


@pytest.fixture(scope="module")
def trial():
    return simulated(made_up(1), 48)


def answered(path):
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    return np.array([float(row["p_single"]) for row in rows]), np.array([row["in_domain"] == "1" for row in rows])


def test_frames_of_its_experiment_are_answered_for(trial, tmp_path, capsys):
    np.save(tmp_path / "run.npy", trial.frames)
    assert singlehit(["select", str(tmp_path / "run.npy"), "-o", str(tmp_path / "frames.csv")]) == 0
    p_single, in_domain = answered(tmp_path / "frames.csv")
    assert ((p_single > 0.5) == (trial.hit_multiplicity == 1)).mean() > 0.7
    assert in_domain.mean() > 0.9
    assert "48 frames" in capsys.readouterr().out


def test_a_sample_and_labels_make_it_better(trial, tmp_path):
    """Steady pulses: brightness tells single from multiple hits, 6 of 48 labelled or none."""
    np.save(tmp_path / "run.npy", trial.frames)
    is_single = trial.hit_multiplicity == 1
    some = [*np.flatnonzero(is_single)[:3], *np.flatnonzero(~is_single)[:3]]
    lines = [f"{frame},{int(is_single[frame])}" for frame in some]
    (tmp_path / "labels.csv").write_text("\n".join(["frame,single", *lines]) + "\n")
    options = ["--one-sample", "--labels", str(tmp_path / "labels.csv")]
    assert main([str(tmp_path / "run.npy"), "-o", str(tmp_path / "labelled.csv"), *options]) == 0
    p_single, _ = answered(tmp_path / "labelled.csv")
    assert ((p_single > 0.5) == is_single).mean() > 0.9


def test_frames_that_are_none_of_its_are_refused(trial, tmp_path, capsys):
    """Seas of a thousand photons a pixel, as no pulse of the training's gave."""
    bright = np.random.default_rng(0).poisson(1000.0, (64, 128, 128)).astype(np.uint16)
    np.save(tmp_path / "run.npy", bright)
    assert main([str(tmp_path / "run.npy"), "-o", str(tmp_path / "frames.csv")]) == 2
    assert "--force" in capsys.readouterr().err
    assert not (tmp_path / "frames.csv").exists()
    np.save(tmp_path / "small.npy", trial.frames[:, :64, :64])
    assert main([str(tmp_path / "small.npy"), "-o", str(tmp_path / "frames.csv")]) == 2
    assert "(64, 64) pixels" in capsys.readouterr().err
