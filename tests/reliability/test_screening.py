"""A shift's worth of frames screened through many kills: every frame is in the ledger once, decided as without them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from frames.files import read_table
from screen.stream.frame import FrameId
from screen.stream.policy import RANDOM, Policy
from support.programs.running import ROOT
from support.streaming import onnx_of_means

pytestmark = pytest.mark.faults

SIDE, FILES, FRAMES_A_FILE = 4, 8, 125_000
N = FILES * FRAMES_A_FILE
N_KILLS = 20
THRESHOLD = 0.875
SPOILED = np.arange(777, N, 4999)
"""Frames with a pixel that is no number"""


def means() -> np.ndarray:
    """(N,) of each frame, that tell which it is: multiples of a power of two, so that float32 has them exactly."""
    return (np.arange(N) * 7919 % 2**20 / 2**20).astype(np.float32)


def written(folder: Path) -> None:
    """All frames, in files that the source maps into memory."""
    folder.mkdir()
    for number, some in enumerate(means().reshape(FILES, -1)):
        frames = np.repeat(some, SIDE**2).reshape(-1, SIDE, SIDE)
        here = SPOILED[number == SPOILED // FRAMES_A_FILE] % FRAMES_A_FILE
        frames[here, 1, 2] = np.nan
        np.save(folder / f"{number}.npy", frames)
        os.utime(folder / f"{number}.npy", (1e9, 1e9))


class Progress:
    """How far a ledger has come, while another process writes it."""

    def __init__(self, folder: Path):
        self.folder, self._sealed = folder / "ledger", dict[str, int]()

    def rows(self) -> int:
        """Of sealed pieces, and about as many as the open one has."""
        n = 0
        for path in self.folder.glob("[0-9]*.arrow*"):
            try:
                if path.suffix == ".arrows":
                    n += path.stat().st_size // 120
                elif path.name in self._sealed:
                    n += self._sealed[path.name]
                else:
                    with pa.memory_map(str(path)) as file:
                        self._sealed[path.name] = pa.ipc.open_file(file).read_all().num_rows
                    n += self._sealed[path.name]
            except (FileNotFoundError, pa.ArrowInvalid):  # sealed, or being so
                continue
        return n


def test_a_million_frames_through_twenty_kills(tmp_path: Path) -> None:
    """Killed at moments that it does not choose; no frame twice, none left out, each decided as the policy says."""
    written(tmp_path / "raw")
    out = tmp_path / "run"
    model = onnx_of_means(tmp_path / "mean.onnx", SIDE)
    command = [
        sys.executable,
        "-m",
        "singlehit",
        "screen",
        str(tmp_path / "raw"),
        "--model",
        str(model),
        "--out",
        str(out),
    ]
    command += ["--threshold", str(THRESHOLD), "--until-idle", "0.1"]
    at = np.sort(np.random.default_rng(0).uniform(0.01, 0.97, N_KILLS)) * N
    kills, progress = 0, Progress(out)
    with open(tmp_path / "log", "w") as log:
        while True:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
            while process.poll() is None and (kills == N_KILLS or progress.rows() < at[kills]):
                time.sleep(0.01)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            if process.wait() != -signal.SIGKILL:
                break
    said = (tmp_path / "log").read_text()
    assert process.returncode == 0, said[-2000:]
    assert kills == N_KILLS
    assert "goes on after" in said

    table = read_table(out / "decisions.parquet").to_pandas()
    assert len(table) == N
    number = table["run"].str[0].astype(int) * FRAMES_A_FILE + table["train"]
    assert np.array_equal(number, np.arange(N))  # each once, in order
    spoiled = np.zeros(N, bool)
    spoiled[SPOILED] = True
    assert (table["decision"][spoiled] == "unreadable").all()
    assert np.array_equal(table["p_single"][~spoiled].to_numpy(np.float32), means()[~spoiled])
    kept = ~spoiled & (means() >= THRESHOLD)
    assert (table["decision"][kept] == "keep").all()
    below = table[~spoiled & ~kept]
    policy = Policy(THRESHOLD)
    ids = (FrameId("raw", run, train, 0) for run, train in zip(below["run"], below["train"], strict=True))
    expected = [policy.decide(id, 0.0)[0] for id in ids]
    assert below["decision"].tolist() == expected
    assert ((below["reason"] == RANDOM) == (below["decision"] == "keep")).all()
    assert 0.009 < (below["decision"] == "keep").mean() < 0.011
    print(f"{N} frames, {kills} kills: {table['decision'].value_counts().to_dict()}")
