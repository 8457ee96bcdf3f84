"""The command that says which frames of a file are single hits: the same of every file, and its errors."""

import shutil

import h5py
import numpy as np
import pytest
import zarr

from frames.files import sha256, write_arrays
from frames.formats.cxi import write_cxi
from frames.formats.emc import write_emc
from frames.frames import Frames, Instrument
from frames.pixels.positions import Pixels
from screen.select import main
from simulate.experiment.tabulate import tabulate
from support.made.selections import CPU, D, N, ask, labels_of, made_up, refused, rows_of
from train.few_shot.classifiers import between_means
from train.few_shot.logistic import adapt, fit, probability
from train.few_shot.mixture import by_mixture
from train.few_shot.support import SupportSet
from train.inference.embed import embed_frames
from train.loop.checkpoint import load_encoder


def test_every_frame_gets_a_row(model_file, frames_file, tmp_path, capsys):
    rows = ask(model_file, frames_file, tmp_path / "new" / "frames.csv")
    is_single = made_up(N, seed=2)[1]
    assert [int(row["frame"]) for row in rows] == list(range(N))
    assert [row["single"] == "1" for row in rows] == is_single.tolist()
    assert [float(row["p_single"]) > 0.5 for row in rows] == is_single.tolist()
    assert {row["labelled"] for row in rows} == {"0"}
    assert {row["in_domain"] for row in rows} == {"1"}
    captured = capsys.readouterr()
    assert "frames.csv: 24 frames, 12 called single (50.0%)" in captured.out
    assert captured.err == ""
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["frames.csv"]


def test_probabilities_are_those_of_the_classifier_on_the_embeddings(model_file, frames_file, tmp_path):
    """With labels, too; and a share of single hits only moves them by Bayes' rule."""
    trained, frames = load_encoder(model_file, CPU), np.load(frames_file)
    with np.load(model_file.parent / "support.npz") as arrays:
        known = SupportSet(arrays["embeddings"], arrays["is_single"])
    fitted = fit(known)
    embeddings = embed_frames(trained, frames)
    plain = ask(model_file, frames_file, tmp_path / "a.csv", "--embeddings", str(tmp_path / "a.npz"))
    p = [float(row["p_single"]) for row in plain]
    np.testing.assert_allclose(p, probability(between_means(known).scores(embeddings)), rtol=1e-4)
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_allclose(arrays["embeddings"], embeddings, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(arrays["p_single"], p, rtol=1e-5)
    rare = ask(model_file, frames_file, tmp_path / "b.csv", "--single-share", "0.1")
    odds = np.array(p) / (1 - np.array(p)) / 9
    np.testing.assert_allclose([float(row["p_single"]) for row in rare], odds / (1 + odds), rtol=1e-3)
    given = [(0, "0"), (1, "1"), (5, "1")]
    with_labels = ask(model_file, frames_file, tmp_path / "c.csv", "--labels", labels_of(tmp_path, given))
    adapted = adapt(fitted, SupportSet(embeddings[[0, 1, 5]], np.array([False, True, True])))
    expected = probability(adapted.scores(embeddings))
    np.testing.assert_allclose([float(row["p_single"]) for row in with_labels], expected, rtol=1e-4)


def test_frames_of_another_detector_are_folded_into_those_that_the_network_knows(model_file, tmp_path, capsys):
    """Each pixel cut in four, of which three get no photon: the answers are those to the frames as they were."""
    frames, _ = made_up(N, seed=2)
    np.save(tmp_path / "known.npy", frames)
    larger = np.zeros((N, 256, 256), np.uint16)
    larger[:, ::2, 1::2] = frames
    panels = np.stack([larger[:, :128], larger[:, 128:]], axis=1)
    np.save(tmp_path / "panels.npy", panels)
    y, x = (along - 127.5 for along in np.mgrid[:256, :256].astype(float))
    x, y = (np.stack([along[:128], along[128:]]) for along in (x, y))
    table = tabulate(Pixels(x, y, np.ones(x.shape, bool), 300.0, 323.0, 4600.0), 128, 2)
    table.save(tmp_path / "pixels.npz")
    expected = ask(model_file, tmp_path / "known.npy", tmp_path / "a.csv")
    pixels = "--pixels", str(tmp_path / "pixels.npz")
    assert ask(model_file, tmp_path / "panels.npy", tmp_path / "b.csv", *pixels) == expected
    assert main([str(model_file), str(tmp_path / "known.npy"), *pixels, "-o", str(tmp_path / "c.csv")]) == 2
    assert "holds frames of (128, 128) pixels, but the table of pixels is of (2, 128, 256)" in capsys.readouterr().err
    assert main([str(model_file), str(tmp_path / "panels.npy"), *pixels, "-o", pixels[1], "--overwrite"]) == 2
    assert "is read from" in capsys.readouterr().err
    tabulate(Pixels(x, y, np.ones(x.shape, bool), 300.0, 323.0, 4600.0), 64, 4).save(tmp_path / "small.npz")
    small = "--pixels", str(tmp_path / "small.npz"), "-o", str(tmp_path / "c.csv")
    assert main([str(model_file), str(tmp_path / "panels.npy"), *small]) == 2
    assert "images of (64, 64) pixels" in capsys.readouterr().err


def test_one_sample_is_told_by_how_its_frames_lie(model_file, frames_file, tmp_path, capsys):
    """With a quarter of them single, of which nothing was said."""
    frames, is_single = made_up(80, seed=4)
    keep = ~is_single | (np.arange(80) % 6 == 0)
    np.save(tmp_path / "few.npy", frames[keep])
    rows = ask(
        model_file, tmp_path / "few.npy", tmp_path / "a.csv", "--one-sample", "--embeddings", str(tmp_path / "a.npz")
    )
    assert [row["single"] == "1" for row in rows] == is_single[keep].tolist()
    with np.load(model_file.parent / "support.npz") as known, np.load(tmp_path / "a.npz") as arrays:
        scores = fit(SupportSet(known["embeddings"], known["is_single"])).scores(arrays["embeddings"])
    expected = probability(by_mixture(scores, frames[keep].sum((1, 2))))
    np.testing.assert_allclose([float(row["p_single"]) for row in rows], expected, rtol=1e-4)

    np.save(tmp_path / "alike.npy", frames[is_single])
    for options, message in (
        (("alike.npy", "--one-sample"), "fewer than 3 look single, or multiple"),
        (("few.npy", "--one-sample", "--single-share", "0.2"), "leave --single-share out"),
    ):
        file, *rest = options
        assert main([str(model_file), str(tmp_path / file), *rest, "-o", str(tmp_path / "b.csv")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "b.csv").exists()


def test_the_same_frames_get_the_same_answers_from_every_file(model_file, frames_file, tmp_path):
    frames = np.load(frames_file)
    expected = ask(model_file, frames_file, tmp_path / "npy.csv")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/frames"] = frames.astype(np.float32)
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/data_1/data"] = frames
    zarr.create_array(tmp_path / "a.zarr", data=frames, chunks=(5, 128, 128))
    counts = Frames("toy", frames.shape, frames.dtype, "photons", frames.__getitem__, {}, known_instrument(128))
    write_emc(counts, tmp_path / "a.emc")
    write_cxi(counts, tmp_path / "ours.cxi")
    for name, options in (
        ("a.h5", ("--dataset", "run/frames")),
        ("a.cxi", ()),
        ("a.zarr", ()),
        ("a.emc", ()),
        ("ours.cxi", ()),
    ):
        assert ask(model_file, tmp_path / name, tmp_path / f"{name}.csv", *options) == expected


def known_instrument(n):
    """Whatever Dragonfly asks of a detector, no pixel of it masked."""
    ones = np.ones((n, n))
    mask = np.zeros((n, n), bool)
    return Instrument(mask, 1000.0, 100.0, 500.0, np.ones((n, n, 3)) * 1e-3, ones, ones)


def test_what_a_mask_was_taken_to_mean_is_said_and_can_be_asked_for(model_file, frames_file, tmp_path, capsys):
    """Half of each frame masked: by European XFEL's bits, and turned round."""
    frames = np.load(frames_file)
    bad = np.zeros((128, 128), np.uint32)
    bad[:60] = 0x1000
    np.save(tmp_path / "zeros.npy", np.where(bad > 0, 0, frames))
    np.save(tmp_path / "others.npy", np.where(bad > 0, frames, 0))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["photons"], file["mask"] = frames, bad
    for means, same in ((), "zeros"), (("--mask-means", "bad"), "zeros"), (("--mask-means", "good"), "others"):
        expected = ask(model_file, tmp_path / f"{same}.npy", tmp_path / "a.csv", "--overwrite", "--force")
        capsys.readouterr()
        assert ask(model_file, tmp_path / "a.h5", tmp_path / "b.csv", "--overwrite", "--force", *means) == expected
        said = capsys.readouterr().out
        assert f"mask `mask`: nonzero is {'good' if same == 'others' else 'bad'}" in said
        assert ("as asked" in said) == bool(means)


def test_blocks_of_any_size_get_the_same_answers(model_file, frames_file, tmp_path, monkeypatch):
    whole = ask(model_file, frames_file, tmp_path / "a.csv")
    monkeypatch.setattr("frames.frames.BYTES_AT_ONCE", 5 * 128 * 128 * 4)
    for one, other in zip(whole, ask(model_file, frames_file, tmp_path / "b.csv"), strict=True):
        assert float(one["p_single"]) == pytest.approx(float(other["p_single"]), rel=1e-4)


def test_what_is_wrong_is_told_in_one_line(model_file, frames_file, tmp_path, capsys, monkeypatch):
    def told(*arguments):
        return refused(capsys, tmp_path, *arguments)

    assert "none.pt" in told(tmp_path / "none.pt", frames_file)
    assert "none.npy" in told(model_file, tmp_path / "none.npy")
    assert "none.csv" in told(model_file, frames_file, "--labels", str(tmp_path / "none.csv"))
    assert "single_share is 1.0" in told(model_file, frames_file, "--single-share", "1")
    assert "ends in .npz" in told(model_file, frames_file, "--embeddings", str(tmp_path / "a.csv"))
    np.save(tmp_path / "small.npy", np.zeros((2, 64, 64)))
    assert "bin or pad them" in told(model_file, tmp_path / "small.npy")
    np.save(tmp_path / "holes.npy", np.full((2, 128, 128), np.nan))
    assert "frame 0 has 16384 pixels that are no finite numbers" in told(model_file, tmp_path / "holes.npy")
    monkeypatch.setattr("frames.formats.readings.NO_READING", np.inf)  # or it were refused before it is predicted
    np.save(tmp_path / "bright.npy", np.concatenate([made_up(2, seed=0)[0], np.full((1, 128, 128), 1e38)]))
    assert "no finite number of frame 2, whose highest pixel is 1e+38" in told(model_file, tmp_path / "bright.npy")


def test_what_cannot_be_written_is_told_before_a_frame_is_read(model_file, frames_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("frames.frames.Frames.read", None)
    (tmp_path / "a file").write_text("mine")
    (tmp_path / "folder").mkdir()
    for output, message in (
        (tmp_path / "a file" / "a.csv", "a file, which is no folder that can be written to; choose"),
        (tmp_path / "folder", "folder is to be written, but it is a folder"),
    ):
        assert main([str(model_file), str(frames_file), "-o", str(output), "--overwrite"]) == 2
        assert message in capsys.readouterr().err


def test_the_training_patterns_have_to_lie_beside_the_model(model_file, frames_file, tmp_path, capsys):
    alone, known = tmp_path / "model.pt", tmp_path / "support.npz"
    shutil.copy(model_file, alone)
    assert "copy it along with the model" in refused(capsys, tmp_path, alone, frames_file)
    both = np.array([True, False, True])
    for arrays, message in (
        ({"embeddings": np.zeros((3, D + 1)), "is_single": both}, f"expected (n, {D})"),
        ({"embeddings": np.zeros((2, D)), "is_single": both}, f"expected (n, {D})"),
        ({"embeddings": np.zeros((3, D)), "is_single": both.astype(int)}, "bool (n,)"),
        ({"embeddings": np.full((3, D), np.nan), "is_single": both}, "no finite numbers"),
        ({"embeddings": np.zeros((3, D)), "is_single": both | True}, "3 of 3 known patterns are single hits"),
        ({"embeddings": np.eye(3, D), "is_single": both, "model": "0123"}, "is of another model than"),
        ({"is_single": both}, "does not hold embeddings"),
        ({"embeddings": np.zeros((3, D)), "is_single": np.True_}, "support.npz"),
    ):
        write_arrays(known, {"model": sha256(alone)} | arrays)
        assert message in refused(capsys, tmp_path, alone, frames_file)
    for contents in (b"", b"PK\x03\x04 torn", b"not arrays"):
        known.write_bytes(contents)
        assert "support.npz is damaged" in refused(capsys, tmp_path, alone, frames_file)


def test_a_support_set_of_the_former_name_is_read_and_said(model_file, frames_file, tmp_path, caplog):
    expected = ask(model_file, frames_file, tmp_path / "expected.csv")
    assert not caplog.records
    (tmp_path / "before").mkdir()
    shutil.copy(model_file, tmp_path / "before" / "model.pt")
    shutil.copy(model_file.parent / "support.npz", tmp_path / "before" / "known.npz")
    assert ask(tmp_path / "before" / "model.pt", frames_file, tmp_path / "found.csv") == expected
    (said,) = caplog.messages
    assert said.endswith("known.npz is read as the support set: there is no support.npz beside it")
    (tmp_path / "before" / "known.npz").write_bytes(b"not read where there is another")
    shutil.copy(model_file.parent / "support.npz", tmp_path / "before")
    assert ask(tmp_path / "before" / "model.pt", frames_file, tmp_path / "again.csv") == expected


def test_files_that_are_there_stay_unless_told_otherwise(model_file, frames_file, tmp_path, capsys):
    output = tmp_path / "frames.csv"
    output.write_text("mine")
    arguments = [str(model_file), str(frames_file), "-o", str(output)]
    assert main(arguments) == 2
    assert "frames.csv is there already; --overwrite replaces it" in capsys.readouterr().err
    assert output.read_text() == "mine"
    labels = labels_of(tmp_path, [(0, 1), (1, 0)])
    assert main([*arguments[:-1], labels, "--labels", labels, "--overwrite"]) == 2
    assert "is read from" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert len(rows_of(output)) == N
