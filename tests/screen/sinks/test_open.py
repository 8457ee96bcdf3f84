"""Sinks on the command line of `singlehit screen`: what they write of a file, and what is refused."""

import socket
import subprocess
import sys

import h5py
import numpy as np
import pytest

from frames.files import read_table
from frames.frames import open_frames
from screen.sinks.open import absent, address
from screen.stream.command import main
from tests.screen.stream.test_command import onnx_of_means

N, SIDE = 60, 8


@pytest.fixture
def given(tmp_path):
    frames = np.random.default_rng(0).random((N, SIDE, SIDE), np.float32) ** 2
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["entry_1/data_1/data"] = frames
    onnx_of_means(tmp_path / "mean.onnx")
    command = [
        tmp_path / "frames.h5",
        "--model",
        tmp_path / "mean.onnx",
        "--threshold",
        0.33,
        "--out",
        tmp_path / "run",
    ]
    return frames, [str(word) for word in command]


@pytest.mark.parametrize("kind", ["virtual", "copy", "folded"])
def test_hits_are_the_frames_that_the_ledger_says_are_kept(given, tmp_path, kind):
    frames, command = given
    assert main([*command, "--hits", kind]) == 0
    decisions = read_table(tmp_path / "run" / "decisions.parquet").to_pandas()
    kept = decisions.loc[decisions["decision"] == "keep", "train"].to_numpy()
    assert 5 < len(kept) < N - 5
    file = tmp_path / "run" / ("hits.cxi" if kind == "virtual" else "hits/000000.cxi")
    np.testing.assert_array_equal(open_frames(file).read(slice(None)), frames[kept])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--page", "home"], "--page is 'home', expected a port"),
        (["--metrics", "1.2.3.4:99999"], "expected a port, or host:port"),
        (["--euxfel", "x"], "give --run 42"),
        (["--euxfel", "x", "--run", "42"], "whose frames have no trains"),
    ],
)
def test_what_does_not_fit_is_told_before_the_first_frame(given, tmp_path, capsys, more, said):
    _, command = given
    assert main([*command, *more]) == 2
    assert said in capsys.readouterr().err
    assert not len(read_table(tmp_path / "run" / "decisions.parquet"))


def test_a_port_that_is_taken_is_told(given, capsys):
    _, command = given
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main([*command, "--page", str(taken.getsockname()[1])]) == 2
    assert "in use" in capsys.readouterr().err


def test_an_absent_extra_is_a_line_that_names_it(given):
    _, command = given
    code = f"""
import sys
sys.modules["uvicorn"] = None
from screen.stream.command import main
raise SystemExit(main({[*command, "--page", "0"]!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "uvicorn is not installed: pip install -e '.[screen]' has it\n"
    assert "facility" in str(absent(ModuleNotFoundError("no", name="pvaccess")))


def test_an_address_is_of_this_machine_alone_unless_it_says_otherwise():
    assert address("8000", "--page") == ("127.0.0.1", 8000)
    assert address("0.0.0.0:8000", "--page") == ("0.0.0.0", 8000)
