"""Labels given to the command that selects single hits turn and judge its answers; wrong ones are told."""

import numpy as np
import pytest

from screen.select import left_out
from support.made.selections import CPU, N, ask, labels_of, made_up, refused, written
from train.few_shot.logistic import adapt, fit
from train.few_shot.support import SupportSet
from train.inference.embed import embed_frames
from train.loop.checkpoint import load_encoder


def test_labels_of_another_sample_turn_the_answers(model_file, tmp_path, capsys):
    """Of this sample the single hits look as the multiple ones of the training did."""
    frames, is_single = made_up(N, seed=3, turned=True)
    np.save(tmp_path / "frames.npy", frames)
    plain = ask(model_file, tmp_path / "frames.npy", tmp_path / "a.csv")
    assert [row["single"] == "1" for row in plain] == (~is_single).tolist()
    words = {True: ("1", "yes", "single", " Single "), False: ("0", "no", "multiple", "MULTIPLE")}
    given = [(frame, words[bool(is_single[frame])][frame // 2 % 4]) for frame in range(20)]
    rows = ask(model_file, tmp_path / "frames.npy", tmp_path / "b.csv", "--labels", labels_of(tmp_path, given))
    assert [row["single"] == "1" for row in rows] == is_single.tolist()
    assert [row["labelled"] == "1" for row in rows] == [frame < 20 for frame in range(N)]
    with np.load(model_file.parent / "support.npz") as arrays:
        fitted = fit(SupportSet(arrays["embeddings"], arrays["is_single"]))
    embeddings = embed_frames(load_encoder(model_file, CPU), frames)
    n_right = 0
    for frame in range(20):
        others = [other for other in range(20) if other != frame]
        adapted = adapt(fitted, SupportSet(embeddings[others], is_single[others]))
        n_right += (adapted.scores(embeddings[frame : frame + 1])[0] > 0) == is_single[frame]
    assert n_right >= 18
    said = capsys.readouterr().out
    assert f"20 labelled, 10 of them single: each left out in turn, {n_right} right ({n_right / 20:.1%})" in said
    assert "without any label, 0 right (0.0%); always the more frequent label, 10 right (50.0%)" in said


def test_a_frame_that_is_left_out_has_no_say():
    """Labels by a coin: what was adapted by all remembers them, what is left out is guessed."""
    generator = np.random.default_rng(0)
    embeddings, coin = generator.normal(size=(40, 30)), generator.permutation(np.arange(40) % 2 == 0)
    known = SupportSet(generator.normal(size=(400, 30)), np.arange(400) % 2 == 0)
    fitted, labelled = fit(known), SupportSet(embeddings, coin)
    remembered = adapt(fitted, labelled).scores(embeddings)
    scores = left_out(fitted, labelled)
    assert np.mean((remembered > 0) == coin) > 0.9
    assert np.mean((scores > 0) == coin) < 0.7
    for at in (0, 17):
        others = SupportSet(np.delete(embeddings, at, axis=0), np.delete(coin, at))
        assert scores[at] == pytest.approx(adapt(fitted, others).scores(embeddings[at : at + 1])[0])


def test_one_label_of_a_class_cannot_be_left_out(model_file, frames_file, tmp_path, capsys):
    labels = labels_of(tmp_path, [(0, 1), (1, 0), (3, 0)])
    ask(model_file, frames_file, tmp_path / "a.csv", "--labels", labels)
    said = capsys.readouterr().out
    assert "3 labelled, 1 of them single: label two of each class" in said
    assert "more frequent label, 2 right (66.7%)" in said


def test_labels_may_come_from_a_spreadsheet(model_file, frames_file, tmp_path):
    (tmp_path / "labels.csv").write_bytes("\ufeffnote,frame,single\r\n,3,0\r\nbright,4,1\r\n\r\n".encode())
    rows = ask(model_file, frames_file, tmp_path / "a.csv", "--labels", str(tmp_path / "labels.csv"))
    assert [int(row["frame"]) for row in rows if row["labelled"] == "1"] == [3, 4]


@pytest.mark.parametrize(("true", "false"), [("True", "False"), ("1.0", "0.0"), (" TRUE ", " 0.0")])
def test_labels_may_come_from_pandas(true, false, model_file, frames_file, tmp_path):
    """Booleans, floats in columns that had gaps, spaces about anything."""
    text = f"frame , single\n3.0,{false}\n 4.000 ,{true}\n5,{false}\n"
    rows = ask(model_file, frames_file, tmp_path / "a.csv", "--labels", written(tmp_path, text))
    plain = written(tmp_path, "frame,single\n3,0\n4,1\n5,0\n")
    assert rows == ask(model_file, frames_file, tmp_path / "b.csv", "--labels", plain)
    assert [int(row["frame"]) for row in rows if row["labelled"] == "1"] == [3, 4, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame,single\n3,1\n24,0\n", r"line 3: there is no frame '24', expected a whole number from 0 to 23"),
        ("frame,single\n-1,1\n", "no frame '-1'"),
        ("frame,single\n1.5,1\n", "no frame '1.5'"),
        ("frame,single\n3.0,1\n3.5,0\n", "line 3: there is no frame '3.5'"),
        ("frame,single\n24.0,1\n", "no frame '24.0'"),
        ("frame,single\n.0,1\n", "no frame '.0'"),
        ("frame,single\n3,1.5\n", "the answer of frame 3 is '1.5'"),
        ("frame,single\n3,1\n3.0,0\n", "line 3: frame 3 is labelled twice"),
        ("frame,single\n,1\n", "no frame ''"),
        ("frame,single\n3,1\n4,0\n3,1\n", "line 4: frame 3 is labelled twice"),
        ("frame,single\n3,perhaps\n", "line 2: the answer of frame 3 is 'perhaps', expected one of 1, yes, single"),
        ("frame,single\n3\n", "the answer of frame 3 is ''"),
        ("frame:single\n3:1\n", "no column frame and no column single: its first line is 'frame:single'"),
        ("", "expected frame,single"),
        ("frame,single\n3,1\n4,yes\n", "labels 2 single and 0 multiple hits; label at least one of each"),
        ("frame,single\n", "labels.csv labels 0 single and 0 multiple hits; label at least one of each"),
    ],
)
def test_labels_that_are_wrong_are_told_before_a_frame_is_read(
    text, message, model_file, frames_file, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("frames.frames.Frames.read", None)
    said = refused(capsys, tmp_path, model_file, frames_file, "--labels", written(tmp_path, text))
    assert message in said


def test_of_one_sample_the_labels_judge_what_is_written(model_file, tmp_path, capsys):
    """Labels by a coin: the regression remembers them, the clouds do not."""
    n = 200
    frames, _ = made_up(n, seed=4)
    np.save(tmp_path / "frames.npy", frames)
    given = [(frame, int(frame // 2 % 2)) for frame in range(12)]
    options = ("--labels", labels_of(tmp_path, given), "--one-sample")
    rows = ask(model_file, tmp_path / "frames.npy", tmp_path / "a.csv", *options)
    agree = sum(rows[frame]["single"] == str(answer) for frame, answer in given)
    assert f"where they end, the predictions agree with {agree} of 12 labels" in capsys.readouterr().out
