"""Single hits of a user's file: a row a frame, selected frames as CXI, and what is wrong with a file is said."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from screen import virus
from screen.virus import main, split_labels
from train.config.single_hits import FindRecipe

N = 120


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> tuple[Path, np.ndarray]:
    folder, generator = tmp_path_factory.mktemp("virus"), np.random.default_rng(0)
    y, x = np.mgrid[:64, :64] - 31.5
    r = np.hypot(x, y)
    single = np.arange(N) % 3 == 0
    wave = np.where(single[:, None, None], np.cos(0.8 * r), np.cos(0.8 * x))
    frames = generator.poisson(20 * np.exp(-r / 12) * (1 + 0.9 * wave))
    with h5py.File(folder / "run.cxi", "w") as file:
        image = file.create_group("entry_1/image_1")
        image["data"], image["mask"], image["image_center"] = 8 * frames, (np.abs(y) < 1).astype(int), [31.5, 31.5, 0]
    pd.DataFrame({"frame": range(60), "single": single[:60].astype(int)}).to_csv(folder / "labels.csv", index=False)
    return folder, single


def run(folder: Path, *more: str, labels: str = "labels.csv") -> int:
    return main([str(folder / "run.cxi"), "--labels", str(folder / labels), "--out", str(folder / "found"), *more])


def test_a_users_file_becomes_a_list_and_a_file_of_single_hits(given, monkeypatch) -> None:
    folder, single = given
    quick = FindRecipe(epochs=4, iterations=12, members=1, batch_size=32)
    monkeypatch.setattr(virus, "FindRecipe", lambda: quick)
    assert run(folder, "--photon", "8") == 0
    table = pd.read_csv(folder / "found.csv")
    assert table["frame"].tolist() == list(range(N))
    assert table["labelled"].sum() == 60
    assert (table["single"].to_numpy() == single)[60:].mean() > 0.85
    with h5py.File(folder / "found.cxi") as found, h5py.File(folder / "run.cxi") as whole:
        image, index = found["entry_1/image_1"], np.flatnonzero(table["single"])
        assert np.array_equal(image["frame"], index)
        live = whole["entry_1/image_1/mask"][()] == 0
        assert np.array_equal(image["data"][()][:, live] * 8, whole["entry_1/image_1/data"][()][index][:, live])


def test_what_is_wrong_is_said(given) -> None:
    folder, _ = given
    with pytest.raises(ValueError, match="no mask entry_1/nothing"):
        run(folder, "--mask", "entry_1/nothing")
    with pytest.raises(ValueError, match="with --data"):
        run(folder, "--data", "entry_2/data")
    (folder / "few.csv").write_text("frame,single\n0,1\n1,0\n")
    with pytest.raises(ValueError, match="at least 4 of each"):
        run(folder, labels="few.csv")
    with h5py.File(folder / "damaged.cxi", "w") as file:
        data = np.ones((5, 8, 8), np.float32)
        data[3, 2, 2] = np.nan
        file["data"], file["mask"] = data, np.zeros((8, 8), int)
    with pytest.raises(ValueError, match="frame 3 has live pixels"):
        virus.read_frames(folder / "damaged.cxi", "data", "mask", [4, 4], 1)
    with h5py.File(folder / "damaged.cxi") as file, pytest.raises(ValueError, match="--centre"):
        virus.read_frames(Path(file.filename), "data", "mask", None, 1)


def test_a_quarter_of_either_kind_decides_and_another_is_held_out() -> None:
    frames, single = np.arange(20) * 2, np.arange(20) < 8
    learned, deciding, held = split_labels(frames, single, 0)
    assert sorted([*learned, *deciding, *held]) == frames.tolist()
    for some in (deciding, held):
        assert (some < 16).sum() == 2
        assert (some >= 16).sum() == 3
