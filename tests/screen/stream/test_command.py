"""`singlehit screen`, of files: what it decides is what the network says, once, through kills; and what it refuses."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from frames.files import read_table
from screen.network.networks import load_network
from screen.stream.command import main
from support.streaming import onnx_of_means

ROOT = Path(__file__).resolve().parents[3]
SIDE = 8


@pytest.fixture
def model(tmp_path):
    return onnx_of_means(tmp_path / "mean.onnx")


def made_up(n, seed=0):
    return np.random.default_rng(seed).random((n, SIDE, SIDE), np.float32) ** 2


def screen(*arguments):
    return main([str(argument) for argument in arguments])


def test_a_file_is_screened_to_its_end(tmp_path, model, capsys):
    frames = made_up(100)
    np.save(tmp_path / "frames.npy", frames)
    out = tmp_path / "run"
    threshold = float(np.median(frames.mean((1, 2))))
    assert screen(tmp_path / "frames.npy", "--model", model, "--threshold", threshold, "--out", out) == 0
    table = read_table(out / "decisions.parquet").to_pandas()
    p = load_network(model).predict(frames)
    assert np.allclose(p, frames.mean((1, 2)), atol=1e-6)
    assert np.allclose(table["p_single"], p, atol=1e-7)
    kept = table["decision"] == "keep"
    assert np.array_equal(kept, (p >= threshold) | (table["reason"] == "random share of vetoes"))
    assert list(table["train"]) == list(range(100))
    assert set(table["source"]) == {"frames.npy"}
    assert f"{kept.sum()} keep, {(~kept).sum()} veto" in capsys.readouterr().out
    said = json.loads((out / "screening.json").read_text())
    assert said["threshold"] == {"value": threshold, "from": "as given"}
    assert said["model"]["name"] == "mean"


def test_a_killed_one_goes_on_and_has_every_frame_once(tmp_path, model):
    """Killed at moments that do not matter to it, over a folder of files."""
    folder = tmp_path / "raw"
    folder.mkdir()
    frames = {f"{name}.npy": made_up(3000, name) for name in range(4)}
    for name, values in frames.items():
        np.save(folder / name, values)
        os.utime(folder / name, (1e9, 1e9))
    out = tmp_path / "run"
    command = [sys.executable, "-m", "singlehit", "screen", str(folder), "--model", str(model), "--threshold", "0.33"]
    command += ["--out", str(out), "--until-idle", "0.1"]
    kills = 0
    while True:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        before = size(out)
        while process.poll() is None and size(out) < before + 100_000:
            time.sleep(0.005)
        if process.poll() is None and kills < 3:
            process.send_signal(signal.SIGKILL)
            kills += 1
        _, errors = process.communicate(timeout=60)
        if process.returncode != -signal.SIGKILL:
            break
    assert (process.returncode, errors) == (0, "")
    assert kills >= 2
    table = read_table(out / "decisions.parquet").to_pandas()
    assert list(zip(table["run"], table["train"], strict=True)) == [(n, k) for n in frames for k in range(3000)]
    p = np.concatenate([values.mean((1, 2)) for values in frames.values()])
    assert np.allclose(table["p_single"], p, atol=1e-6)


def size(folder):
    """Of the ledger, sealed or not [bytes]."""
    found = 0
    for path in folder.glob("ledger/*.arrows"):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


def test_a_run_goes_on_only_as_it_began(tmp_path, model, capsys):
    np.save(tmp_path / "frames.npy", made_up(5))
    begin = [tmp_path / "frames.npy", "--model", model, "--out", tmp_path / "run"]
    assert screen(*begin, "--threshold", 0.5) == 0
    assert screen(*begin, "--threshold", 0.25) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert screen(*begin, "--threshold", 0.5) == 0
    assert len(read_table(tmp_path / "run" / "decisions.parquet")) == 5


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT] * 9 + [signal.SIGTERM] * 41])
def test_it_ends_in_order_when_interrupted(tmp_path, model, signals):
    """Also by one Ctrl-C that comes several times, to it and to its group, as `timeout` sends it."""
    (tmp_path / "grows").mkdir()
    np.save(tmp_path / "grows" / "a.npy", made_up(7))
    os.utime(tmp_path / "grows" / "a.npy", (1e9, 1e9))
    command = [
        sys.executable,
        "-m",
        "singlehit",
        "screen",
        "grows",
        "--model",
        model,
        "--threshold",
        "0.5",
        "--out",
        "o",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment)
    until = time.monotonic() + 120  # on a machine with much to do it takes as long to start
    while size(tmp_path / "o") < 1000 and time.monotonic() < until:
        time.sleep(0.02)
    try:
        for each in signals:
            process.send_signal(each)
            time.sleep(0.01)  # or the system makes one of two
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "7 frames" in out
    assert len(read_table(tmp_path / "o" / "decisions.parquet")) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of --purity, --yield and --threshold"),
        (["--threshold", "2"], "one of --purity"),
        (["--purity", "0.95"], "there is no selection.csv beside"),
        (["--yield", "0.95"], "a yield is found from a run's predictions"),
        (["--threshold", "0.5", "--labels", "a.csv"], "give both"),
        (["--threshold", "0.5", "--table", "a.npz"], "No such file"),
        (["--threshold", "0.5", "--keep-vetoes", "7"], "kept_share is 7"),
    ],
)
def test_what_is_wrong_is_told_before_the_first_frame(tmp_path, model, capsys, arguments, message):
    np.save(tmp_path / "frames.npy", made_up(5))
    assert screen(tmp_path / "frames.npy", "--model", model, "--out", tmp_path / "run", *arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.cxi", "there is no nowhere.cxi"),
        ("gopher://somewhere", "there is no source gopher://"),
        ("no.such.module:Class", "no source no.such.module:Class"),
        ("screen.stream.frame:Nothing", "has no attribute 'Nothing'"),
        ("support.streaming:Made?tracks=3", "tracks"),
    ],
)
def test_what_is_no_source_is_told(tmp_path, model, capsys, source, message):
    assert screen(source, "--model", model, "--threshold", 0.5, "--out", tmp_path / "run") == 2
    assert message in capsys.readouterr().err


def test_frames_of_another_size_are_told(tmp_path, model, capsys):
    np.save(tmp_path / "frames.npy", np.zeros((20, 9, 9), np.float32))
    assert screen(tmp_path / "frames.npy", "--model", model, "--threshold", 0.5, "--out", tmp_path / "run") == 2
    assert "9 x 9 pixels" in capsys.readouterr().err


def test_a_purity_is_taken_from_the_runs_table(tmp_path, model, capsys):
    """Of the model that its folder names; one that cannot be trusted, and one that is not there, are errors."""
    place = tmp_path / "demo" / "models" / "bright" / "mean" / "seed1"
    place.mkdir(parents=True)
    shutil.copy(model, place / "model.onnx")
    tables = tmp_path / "demo" / "tables"
    tables.mkdir()
    with open(tables / "selection.csv", "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["run", "dataset", "model", "seed", "target_purity", "threshold"])
        rows.writerow(["demo", "bright", "mean", 0, 0.95, 0.125])
        rows.writerow(["demo", "bright", "mean", 1, 0.95, 0.375])
        rows.writerow(["demo", "bright", "mean", 1, 0.99, ""])
    np.save(tmp_path / "frames.npy", made_up(5))
    begin = [tmp_path / "frames.npy", "--model", place / "model.onnx", "--out", tmp_path / "run"]
    for purity, message in ((0.99, "no threshold can be trusted"), (0.9, "it has 0.95, 0.99")):
        assert screen(*begin, "--purity", purity) == 2
        assert message in capsys.readouterr().err
    assert screen(*begin, "--purity", 0.95) == 0
    assert "kept from 0.375 on" in capsys.readouterr().out
