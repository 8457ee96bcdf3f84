"""A disk that is full: what cannot be written is an error, what was there stays, and nothing is left in its place."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from evaluate.table_files import write_table as write_csv
from frames.files import write_arrays, write_json, write_table
from frames.store import integrity, writer
from frames.store.layout import Layout
from report.plot.style import drawing
from support.datasets import make_dataset
from train.loop.checkpoint import load, save

LEFT = 20_000
"""Bytes that still fit."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mounted)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount a small file system: that takes root, with the right to mount")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(disk: Path) -> Path:
    """Take all but `LEFT` bytes; returns the file to delete for more."""
    filler, room = disk / "filler", os.statvfs(disk)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize - LEFT))
    return filler


def draw(path: Path) -> None:
    with drawing(path, (6, 4), palette=None) as figure:
        figure.subplots().imshow(NOISE[:300], interpolation="nearest")


NOISE = np.random.default_rng(0).random((1000, 300))
WRITERS: dict[str, Callable[[Path], None]] = {
    "checkpoint.pt": lambda path: save(path, {"weights": torch.from_numpy(NOISE)}),
    "record.json": lambda path: write_json(path, NOISE.tolist()),
    "atoms.npz": lambda path: write_arrays(path, {"noise": NOISE}),
    "volume.npz": lambda path: write_arrays(path, {"noise": NOISE}, compress=True),
    "plan.parquet": lambda path: write_table(path, pa.table({"noise": NOISE.ravel()})),
    "table.csv": lambda path: write_csv(pd.DataFrame({"noise": NOISE.ravel()}), path, {"noise": "of the test"}, {}),
    "figure.png": draw,
    "figure.svg": draw,
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_does_not_fit_is_an_error_and_leaves_what_was_there(disk: Path, name: str) -> None:
    (disk / name).write_bytes(b"as it was")
    filler = fill(disk)
    with pytest.raises(OSError, match="No space left") as failed:
        WRITERS[name](disk / name)
    assert failed.value.__notes__ == [f"{disk / name} was not written; if it was there before, it is what it was"]
    assert (disk / name).read_bytes() == b"as it was"
    assert sorted(file.name for file in disk.iterdir()) == sorted(["filler", name])
    filler.unlink()


def test_a_training_goes_on_from_the_checkpoint_before(disk: Path) -> None:
    save(disk / "checkpoint.pt", {"epoch": 1})
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        save(disk / "checkpoint.pt", {"epoch": 2, "weights": torch.from_numpy(NOISE)})
    assert load(disk / "checkpoint.pt") == {"epoch": 1}


def test_a_shard_that_does_not_fit_is_named_and_made_when_there_is_room(disk: Path) -> None:
    images = np.random.default_rng(1).integers(0, 60_000, size=(50, 16, 32), dtype=np.uint16)
    folder = make_dataset(disk / "noisy", images, ["a", "b"] * 25, [3, 1] * 25, patterns_per_shard=24)
    layout = Layout.load(folder)
    file = writer.shard_file(folder, layout, 1)
    before = file.read_bytes()
    assert len(before) > LEFT
    filler = fill(disk)
    with pytest.raises(OSError, match="No space left"):
        writer.write_shard(folder, layout, 1, images[24:48], made_from="test")
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    (problem,) = integrity.verify(folder)
    assert "shard 1 (patterns 24-47" in problem
    assert "never finished" in problem
    filler.unlink()
    writer.write_shard(folder, layout, 1, images[24:48], made_from="test")
    assert file.read_bytes() == before
    assert integrity.verify(folder) == []
