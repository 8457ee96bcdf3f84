"""A bit flipped, a file cut short: named when the file is read, or without consequence; never other numbers."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from evaluate.predictions.predictions import read_predictions, write_predictions
from frames.files import read_arrays, write_arrays
from frames.store import dataset, integrity, writer
from frames.store.layout import Layout
from frames.store.verify import main
from simulate.render import labels
from support.datasets import make_dataset
from train.loop.checkpoint import load, save

RNG = np.random.default_rng(0)
CONTENTS: dict[str, tuple[str, Any, Callable[[Path, Any], None], Callable[[Path], Any]]] = {
    "checkpoint": (
        "checkpoint.pt",
        {"description": {"model": "late10", "seed": 3}, "weights": {"a": torch.rand(20), "b": torch.rand(3, 5)}},
        save,
        load,
    ),
    "arrays": ("atoms.npz", {"x": RNG.random((5, 7)), "n": 3}, write_arrays, read_arrays),
    "compressed arrays": (
        *("volume.npz", {"x": RNG.random((5, 7)).round(1), "n": 3}),
        *(lambda path, arrays: write_arrays(path, arrays, compress=True), read_arrays),
    ),
    "table": (
        "predictions.parquet",
        pd.DataFrame({"split": ["test"] * 50, "p": RNG.random(50).round(1), "structure": ["a", "b"] * 25}),
        lambda path, table: write_predictions(table, path),
        lambda path: read_predictions(path, None),
    ),
}


def flipped(content: bytes, place: int, bit: int) -> bytes:
    """The same bytes but for one bit of one of them."""
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def assert_no_other_numbers(found: Any, written: Any) -> None:
    """What is there under a name is what was written; an array may be missing as a whole."""
    if isinstance(written, dict):
        for name in found.keys() & written.keys():
            assert_no_other_numbers(found[name], written[name])
    elif isinstance(written, pd.DataFrame):
        pd.testing.assert_frame_equal(found, written)
    elif isinstance(written, torch.Tensor):
        assert torch.equal(found, written)
    else:
        assert np.array_equal(found, written)


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_flipped_bit_is_found_or_without_consequence(kind: str, tmp_path: Path) -> None:
    """One bit of every other byte in turn."""
    name, written, write, read = CONTENTS[kind]
    path = tmp_path / name
    write(path, written)
    assert_no_other_numbers(read(path), written)
    content, messages = path.read_bytes(), []
    for place in range(0, len(content), 2):
        path.write_bytes(flipped(content, place, place // 2 % 8))
        try:
            found = read(path)
        except ValueError as error:
            messages.append(str(error))
        else:
            assert_no_other_numbers(found, written)
    assert all(str(path) in message for message in messages)
    assert len(messages) > len(content) / 6


def test_an_entry_of_a_checkpoint_that_is_called_a_folder_is_read_all_the_same(tmp_path: Path) -> None:
    """A single bit, which no checksum covers; torch alone would return whatever lies in memory."""
    written = CONTENTS["checkpoint"][1]
    save(tmp_path / "checkpoint.pt", written)
    content = (tmp_path / "checkpoint.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "checkpoint.pt") as archive:
        weights = next(entry for entry in archive.infolist() if entry.filename.endswith("data/0"))
    in_directory = content.index(weights.filename.encode(), archive.start_dir)
    attributes = in_directory - 8
    (tmp_path / "checkpoint.pt").write_bytes(flipped(content, attributes, 4))
    assert_no_other_numbers(load(tmp_path / "checkpoint.pt"), written)


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_file_that_was_cut_short_is_named(kind: str, tmp_path: Path) -> None:
    name, written, write, read = CONTENTS[kind]
    path = tmp_path / name
    write(path, written)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=path.name):
            read(path)


# Datasets


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.4, size=(50, 8, 8)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path, images: np.ndarray) -> Path:
    """50 patterns in four shards."""
    return make_dataset(tmp_path / "noisy", images, ["a", "b"] * 25, [3, 1] * 25)


def test_any_flipped_bit_of_a_shard_is_found_and_the_shard_named(folder: Path) -> None:
    path = writer.shard_file(folder, Layout.load(folder), 1)
    content = path.read_bytes()
    for place in range(0, len(content), 11):
        path.write_bytes(flipped(content, place, place % 8))
        (problem,) = integrity.verify(folder)
        assert problem.startswith("shard 1 (patterns 16-31")
    path.write_bytes(content)
    assert integrity.verify(folder) == []


def test_records_that_are_damaged_are_named(folder: Path, capsys: pytest.CaptureFixture) -> None:
    """Of a shard, of the whole dataset and, without which nothing is known, of the layout."""
    writer.shard_marker(folder, 2).write_text('{"shard": 2,')
    (problem,) = integrity.verify(folder)
    assert problem.startswith("shard 2 (patterns 32-47")
    assert "its marker is damaged" in problem
    marker = writer.shard_marker(folder, 1)
    for content in ("[]", "{}", marker.read_text().replace("bytes", "bytfs")):
        marker.write_text(content)
        assert "shard 1 (patterns 16-31" in integrity.verify(folder)[0]
    (folder / "dataset.json").write_text("{}")
    assert integrity.verify(folder)[-1].startswith("dataset.json is damaged")
    (folder / "layout.json").write_text("{}")
    assert main(["verify", str(folder)]) == 2
    assert "layout.json is damaged" in capsys.readouterr().err


def test_a_layout_that_is_not_what_it_was_is_found(folder: Path) -> None:
    layout = json.loads((folder / "layout.json").read_text())
    (folder / "layout.json").write_text(json.dumps({**layout, "targets": layout["targets"][::-1]}))
    assert integrity.verify(folder) == ["layout.json is not what it was when the dataset was completed"]
    integrity.repair(folder)
    assert not (folder / "layout.json").exists()
    assert not (folder / "dataset.json").exists()


@pytest.mark.parametrize("lost", ["structure/c/0", "photons/zarr.json", "zarr.json"])
def test_labels_are_made_again_and_shards_are_kept(folder: Path, images: np.ndarray, lost: str) -> None:
    """A chunk of labels that is gone reads as zeros: it is found, and the store is given it back."""
    files = [writer.shard_file(folder, Layout.load(folder), shard) for shard in range(4)]
    before = [file.stat().st_mtime_ns for file in files]
    (folder / "patterns.zarr" / lost).unlink()
    (problem,) = integrity.verify(folder)
    assert problem == f"patterns.zarr/{lost} (labels or metadata) is missing"
    layout = Layout.load(folder)
    assert integrity.repair(folder) == [problem]
    table = pd.DataFrame(
        {
            "structure": ["a", "b"] * 25,
            "hit_multiplicity": [3, 1] * 25,
            "split": ["train"] * 35 + ["validation"] * 5 + ["test"] * 10,
            "seed": np.arange(1000, 1050, dtype=np.uint64),
        }
    )
    pulses = labels.Pulses(np.full(50, 1e12), np.full(50, 4600.0), np.zeros((50, 2)), np.ones(50))
    labels.create(folder, layout, table, pulses, np.ones(layout.image_shape))
    integrity.complete(folder, {})
    assert integrity.verify(folder) == []
    assert [file.stat().st_mtime_ns for file in files] == before
    opened = dataset.open_dataset(folder)
    assert np.array_equal(opened.read_raw(slice(0, 50)), images)
    assert list(opened.structure[:3]) == [0, 1, 0]
