"""The command that says how many particles each frame shows, and which: what the network says, whatever the file."""

import csv
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
import zarr

from frames.formats.open import open_frames
from frames.targets import Target, shot_targets
from screen.asking import Asked
from screen.classify import classified, columns, main
from train.config.recipe import Recipe, TwinRecipe
from train.inference.predict import predict, predict_frames
from train.loop.checkpoint import load_model
from train.tasks.classify import fit
from train.tasks.embed import fit_twin

CPU = torch.device("cpu")
N = 160


@pytest.fixture(scope="module")
def model_file(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    fit("late10", toy, Recipe(epochs=6, batch_size=16, weight_decay=0.0), 0, CPU, folder)
    return folder / "model.pt"


@pytest.fixture(scope="module")
def answers(toy, model_file):
    return predict(load_model(model_file, CPU), toy, slice(0, N))


def rows_of(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def ask(model_file, frames, output, *options):
    assert main([str(model_file), str(frames), *options, "-o", str(output)]) == 0
    return rows_of(output)


def test_every_frame_gets_what_the_network_says(toy, model_file, answers, tmp_path, capsys):
    rows = ask(model_file, toy.folder, tmp_path / "new" / "frames.csv")
    count, particle = answers
    counts, structures = (
        [f"p_{target.name}_{value}" for value in target.classes]
        for target in load_model(model_file, CPU).description.targets
    )
    expected = ["frame", "hit_multiplicity", "structure", *counts, *structures, "in_domain"]
    assert (counts, structures) == (
        ["p_hit_multiplicity_1", "p_hit_multiplicity_2"],
        ["p_structure_left", "p_structure_right"],
    )
    assert list(rows[0]) == expected
    assert [int(row["frame"]) for row in rows] == list(range(N))
    assert [int(row["hit_multiplicity"]) for row in rows] == [1 + at for at in count.argmax(1)]
    assert [row["structure"] for row in rows] == [toy.structures[at] for at in particle.argmax(1)]
    for name, values in zip([*counts, *structures], np.hstack([count, particle]).T, strict=True):
        np.testing.assert_allclose([float(row[name]) for row in rows], values, rtol=1e-4, atol=1e-6)
    n_single = int((count.argmax(1) == 0).sum())
    assert 0 < n_single < N
    said = capsys.readouterr().out
    assert f"frames.csv: {N} frames, {n_single} of hit_multiplicity 1, {N - n_single} of hit_multiplicity 2" in said
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["frames.csv"]


def test_frames_of_its_own_dataset_are_in_its_domain(toy, model_file, tmp_path):
    rows = ask(model_file, toy.folder, tmp_path / "a.csv")
    assert np.mean([row["in_domain"] == "1" for row in rows]) >= 0.95


def test_the_same_frames_get_the_same_answers_from_every_file(toy, model_file, tmp_path, monkeypatch):
    frames = toy.read(slice(0, 24))
    np.save(tmp_path / "a.npy", frames)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/frames"] = frames
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/data_1/data"] = frames
    zarr.create_array(tmp_path / "a.zarr", data=frames, chunks=(5, 128, 128))
    expected = ask(model_file, tmp_path / "a.npy", tmp_path / "npy.csv")
    for name, options in (("a.h5", ("--dataset", "run/frames")), ("a.cxi", ()), ("a.zarr", ())):
        assert ask(model_file, tmp_path / name, tmp_path / f"{name}.csv", *options) == expected
    monkeypatch.setattr("frames.frames.BYTES_AT_ONCE", 5 * 128 * 128 * 4)
    for one, other in zip(expected, ask(model_file, tmp_path / "a.npy", tmp_path / "blocks.csv"), strict=True):
        assert float(one["p_structure_left"]) == pytest.approx(float(other["p_structure_left"]), rel=1e-4)


def test_any_questions_have_their_columns_and_a_frame_of_no_particle_has_no_structure(toy, model_file, tmp_path):
    """Answers are what the network's heads say, whatever its questions are called."""
    np.save(tmp_path / "a.npy", toy.read(slice(0, 16)))
    trained = load_model(model_file, CPU)
    plain = list(classified(trained, Asked(trained, open_frames(tmp_path / "a.npy"))))
    structures = trained.description.targets[1].classes
    others = Target("hit", ("miss", "hit")), Target("kind", ("a", "b"))
    for targets in (shot_targets(structures, (0, 1)), shot_targets(structures, (2, 3)), others):
        description = replace(trained.description, targets=targets)
        renamed, (first, last) = trained._replace(description=description), targets
        names = columns(description)
        rows = [
            dict(zip(names, row, strict=True))
            for row in classified(renamed, Asked(renamed, open_frames(tmp_path / "a.npy")))
        ]
        for row, before in zip(rows, plain, strict=True):
            assert row[first.name] == first.classes[before[1] - 1]
            assert row[last.name] == (
                "none" if row.get("hit_multiplicity") == 0 else last.classes[structures.index(before[2])]
            )
            assert [row[f"p_{first.name}_{value}"] for value in first.classes] == before[3:5]


def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(toy, model_file, tmp_path, capsys):
    def refused(*arguments):
        assert main([*map(str, arguments), "-o", str(tmp_path / "refused.csv")]) == 2
        assert not [path for path in tmp_path.iterdir() if "refused" in path.name]
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        return captured.err

    np.save(tmp_path / "small.npy", np.ones((2, 64, 64)))
    assert "docs/guide/selecting.md" in refused(model_file, tmp_path / "small.npy")
    assert "none.npy" in refused(model_file, tmp_path / "none.npy")
    fit_twin("late3", toy, TwinRecipe(epochs=1, batch_size=16), 0, CPU, tmp_path / "twin")
    assert "holds a twin network" in refused(tmp_path / "twin" / "model.pt", toy.folder)


def test_a_network_that_overflows_says_of_which_frame(toy, model_file, tmp_path, capsys, monkeypatch):
    """Fifteen rows are there when it does; none is left."""
    bright = toy.read(slice(0, 24)).copy()
    bright[20, 3, 4] = 3e38  # refused before it is predicted, but for the next line
    monkeypatch.setattr("frames.formats.readings.NO_READING", np.inf)
    np.save(tmp_path / "bright.npy", bright)

    def overflowing(trained, frames):
        count, particle = predict_frames(trained, frames)
        count[frames.max((1, 2)) > 1e38] = np.nan
        return count, particle

    monkeypatch.setattr("screen.classify.predict_frames", overflowing)
    monkeypatch.setattr("frames.frames.BYTES_AT_ONCE", 5 * 128 * 128 * 4)
    assert main([str(model_file), str(tmp_path / "bright.npy"), "-o", str(tmp_path / "a.csv")]) == 2
    assert "no finite number of frame 20, whose highest pixel is 3e+38" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bright.npy"]


def test_files_that_are_there_stay_unless_told_otherwise(toy, model_file, tmp_path, capsys):
    np.save(tmp_path / "a.npy", toy.read(slice(0, 4)))
    (tmp_path / "a.csv").write_text("mine")
    arguments = [str(model_file), str(tmp_path / "a.npy"), "-o"]
    assert main([*arguments, str(tmp_path / "a.csv")]) == 2
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert main([*arguments, str(tmp_path / "a.npy"), "--overwrite"]) == 2
    assert "is read from" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "a.csv"), "--overwrite"]) == 0
    assert len(rows_of(tmp_path / "a.csv")) == 4
