"""CXIDB-76 in place of a simulation: files of its layout, taken in; what lacks or contradicts is said."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from evaluate.sfx.config import load_config, problems_of
from evaluate.sfx.deposited import take_in
from frames.store.config import StorageConfig
from frames.store.dataset import open_dataset
from frames.store.hits import HIT_CLASSES

N, SIZE = 11, 40
STORAGE = StorageConfig(patterns_per_chunk=1, patterns_per_shard=4)


def deposit(folder: Path, name: str = "LN83", run: str = "r0018") -> tuple[np.ndarray, list[str]]:
    """A set as it is deposited: two chunks, a gap of pixels below the smallest trusted value, labels beside it."""
    generator = np.random.default_rng(0)
    images = generator.integers(-1, 4000, (N, SIZE, SIZE)).astype(np.int32)
    images[:, 18:20] = -2
    kinds = [HIT_CLASSES[kind].upper() for kind in generator.integers(0, 3, N)]
    (folder / name.lower()).mkdir(parents=True)
    with h5py.File(folder / name.lower() / f"{run}_2000.h5", "w") as file:
        for key, value in {"idh5_version": "idh5_v1.0", "PIXEL_SIZE": 0.177, "MIN_TRUSTED_VALUE": -1.0}.items():
            file[f"metadata/{key}"] = value
        for chunk, part in (("0000", images[:5]), ("0001", images[5:])):
            file[f"data/{chunk}/images"] = part
            file[f"data/{chunk}/distance"] = np.full(len(part), 123.0)
            file[f"data/{chunk}/wavelength"] = np.full(len(part), 1.3)
    lines = [f"{run}_2000.h5 [{i}] {kind}\n" for i, kind in enumerate(kinds, 1)]
    (folder / f"{name}_expert.txt").write_text("".join(lines))
    (folder / f"{name}_dials.txt").write_text("".join(f"{i} {3 * i} Hit\n" for i in range(1, N + 1) if i != 4))
    return images, kinds


def config(where: Path, **said: Any) -> dict[str, Any]:
    frames = {"hit": 4, "maybe": 3, "miss": 4, "most_spots": 20}
    crystal = {"cell": [42, 76, 102, 90, 90, 90], "resolution_A": 2.5, "mosaicity_deg": 0.05, "seed": 1}
    dataset = {"seed": 1, "frames": frames, "crystal": crystal, "detector": {"n_pixels": 64, "binning": 2, "seed": 1}}
    section = {"source": "cxidb76", "folder": str(where), "datasets": {"ln83": dataset}, **said}
    return {"run": "mine", "title": "Mine", "sfx": section}


def test_frames_and_labels_keep_their_numbers(tmp_path: Path) -> None:
    images, kinds = deposit(tmp_path)
    take_in(tmp_path, "ln83", tmp_path / "out", STORAGE)
    found = open_dataset(tmp_path / "out")
    gap = np.zeros((SIZE, SIZE), bool)
    gap[18:20] = True
    assert np.array_equal(found.mask, gap)
    assert np.array_equal(found.read(slice(0, N))[:, ~gap], np.maximum(images, 0)[:, ~gap])
    hit = found.group["hit"]
    meanings = list(hit.attrs["flag_meanings"])
    assert [meanings[code].upper() for code in hit[:]] == kinds
    assert found.group["n_spots"][:].tolist() == [0 if i == 4 else 3 * i for i in range(1, N + 1)]


def test_files_that_are_not_there_are_said_before_any_job(tmp_path: Path) -> None:
    run = load_config(config(tmp_path))
    assert len(problems_of(run)) == 3
    assert problems_of(run)[0].startswith(f"sfx.folder: there is no {tmp_path}/ln83/r0018_2000.h5; download it")
    deposit(tmp_path)
    assert problems_of(run) == []
    with pytest.raises(ValueError, match="source: cxidb76 needs a folder"):
        load_config(config(tmp_path, folder=None))
    with pytest.raises(ValueError, match=r"source: cxidb76 has no \['first'\]"):
        load_config(config(tmp_path, datasets={"first": config(tmp_path)["sfx"]["datasets"]["ln83"]}))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "LN83_expert.txt",
            lambda text: text.replace("[11]", "[12]"),
            "labels of 11 frames up to 12, expected 1",
        ),
        ("LN83_expert.txt", lambda text: text.replace("[2]", "[3]"), r"line 3: frame 3 is there twice"),
        ("LN83_dials.txt", lambda text: text + "12 4 Hit\n", r"line 11: '12 4 Hit', expected '<1 to 11>"),
    ],
)
def test_labels_of_another_file_are_refused(tmp_path: Path, name: str, change: Any, said: str) -> None:
    deposit(tmp_path)
    (tmp_path / name).write_text(change((tmp_path / name).read_text()))
    with pytest.raises(ValueError, match=said):
        take_in(tmp_path, "ln83", tmp_path / "out", STORAGE)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_a_file_that_is_cut_short_is_said_to_be(tmp_path: Path) -> None:
    deposit(tmp_path)
    path = tmp_path / "ln83" / "r0018_2000.h5"
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match=r"r0018_2000\.h5 is cut short"):
        take_in(tmp_path, "ln83", tmp_path / "out", STORAGE)
