"""Sinks on the command line of `singlehit screen`: what they write of a file, and what is refused."""

import re
import socket
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import h5py
import numpy as np
import pytest

from frames.files import read_table
from frames.formats.open import open_frames
from screen.network.asked import Asking
from screen.sinks.hits import CopiedHits
from screen.sinks.lost import lost, told, write_again
from screen.sinks.open import EXTRA, absent, address
from screen.stream.command import main
from screen.stream.frame import FrameId
from screen.stream.ledger import Ledger, Record
from support.streaming import Made, network, onnx_of_means

ROOT = Path(__file__).resolve().parents[3]
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
    assert not (tmp_path / "run" / "decisions.parquet").exists()
    assert main(command) == 0  # the folder is free, and another try goes on as if nothing had been
    assert len(read_table(tmp_path / "run" / "decisions.parquet")) == N


def test_one_that_is_refused_leaves_the_decisions_of_the_run_before(given, tmp_path):
    _, command = given
    assert main(command) == 0
    before = (tmp_path / "run" / "decisions.parquet").read_bytes()
    assert main([*command, "--page", "home"]) == 2
    assert (tmp_path / "run" / "decisions.parquet").read_bytes() == before


@pytest.mark.parametrize("kind", ["copy", "folded"])
def test_hits_that_a_kill_cost_are_read_again_and_written(given, tmp_path, capsys, kind):
    """Killed before any file of hits: the ledger is whole, and the next screening writes what it names."""
    frames, command = given
    run = tmp_path / "run"
    code = f"""
import os
from screen.sinks.hits import CopiedHits
from screen.stream.command import main
CopiedHits.close = lambda self: os.kill(os.getpid(), 9)
main({[*command, "--hits", kind]!r})
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == -9
    assert not [*(run / "hits").glob("*.cxi")]
    assert main([*command, "--hits", kind]) == 0
    decisions = read_table(run / "decisions.parquet").to_pandas()
    kept = decisions.loc[decisions["decision"] == "keep", "train"].to_numpy()
    assert len(decisions) == N
    assert f"{len(kept)} frames that were kept before and lay in no file of {run / 'hits'} were read again" in (
        capsys.readouterr().out
    )
    np.testing.assert_array_equal(open_frames(run / "hits" / "000000.cxi").read(slice(None)), frames[kept])
    assert main([*command, "--hits", kind]) == 0
    assert "lay in no file" not in capsys.readouterr().out
    assert [path.name for path in (run / "hits").iterdir()] == ["000000.cxi"]


def test_hits_of_a_stream_that_a_kill_cost_are_told(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([Record(FrameId("s", "r", n, 0), ("keep", "veto")[n % 2], 0.5, "", 0, 0, None) for n in range(8)])
    ledger.close()
    hits = CopiedHits(tmp_path / "hits", stored=False)
    hits.decided([Record(FrameId("s", "r", 2, 0), "keep", 0.5, "", 0, 0, None)], np.ones((1, SIDE, SIDE), np.float32))
    hits.close()
    gone = lost(tmp_path, tmp_path / "hits")
    assert [record.id.train for record in gone] == [0, 4, 6]
    n = write_again(gone, Made([]), Asking(network()), hits)
    files = tmp_path / "hits"
    assert [*told(3, n, files)] == [
        f"3 frames that were kept before lie in no file of {files}, and cannot be read again (a kill, or no "
        "answer in time); the ledger names them"
    ]


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


def test_the_extra_that_is_named_has_the_module():
    """As pyproject.toml says: the extra itself, without those that it includes."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    of = packages_distributions()
    for module, extra in EXTRA.items():
        needed = {re.split("[<>=[]", one)[0] for one in extras[extra]}
        found = {name.lower().replace("_", "-") for name in of.get(module, [module])}
        assert found & needed, (module, extra)
        assert f"'.[{extra}]'" in str(absent(ModuleNotFoundError("no", name=f"{module}.inner")))
    assert str(absent(ModuleNotFoundError("no", name="scipy.signal"))) == (
        "scipy is not installed: pip install -e . has it"
    )


def test_an_address_is_of_this_machine_alone_unless_it_says_otherwise():
    assert address("8000", "--page") == ("127.0.0.1", 8000)
    assert address("0.0.0.0:8000", "--page") == ("0.0.0.0", 8000)
