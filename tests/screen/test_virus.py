"""Single hits of a user's file: a row a frame, selected frames as CXI, and what is wrong with a file is said."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from frames.files import read_table
from screen import virus
from screen.network.networks import load_network
from screen.stream.command import main as screen
from screen.virus import main, split_labels
from train.config.single_hits import FindRecipe
from train.loop.checkpoint import save

N = 120
DATA = "entry_1/image_1/data"


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
        file["other"] = frames[:2]
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


def test_what_was_trained_screens_the_same_frames_alike(given, tmp_path, monkeypatch, capsys) -> None:
    """The file that is written answers a stream of readings, mask, beam and photons of its own, as the command did."""
    folder, _ = given
    monkeypatch.setattr(virus, "FindRecipe", lambda: FindRecipe(epochs=2, iterations=6, members=2, batch_size=32))
    network = tmp_path / "virus.pt"
    assert run(folder, "--photon", "8", "--network", str(network), "--overwrite") == 0
    threshold = float(capsys.readouterr().out.split("--threshold ")[1].split()[0])
    table = pd.read_csv(folder / "found.csv")
    with h5py.File(folder / "run.cxi") as file:
        np.save(tmp_path / "frames.npy", file["entry_1/image_1/data"][()].astype("f4"))
    out = tmp_path / "screened"
    words = [tmp_path / "frames.npy", "--model", network, "--threshold", threshold, "--keep-vetoes", 0, "--out", out]
    assert screen([str(word) for word in words]) == 0
    decided = read_table(out / "decisions.parquet").to_pandas()
    np.testing.assert_allclose(decided["p_single"], table["p_single"], rtol=1e-5)
    near = (table["p_single"] - threshold).abs() < 2e-6
    assert ((decided["decision"] == "keep") == (table["single"] == 1))[~near].all()
    save(tmp_path / "old.pt", {"holds": "single hits of one virus", "members": []})
    with pytest.raises(ValueError, match="holds no networks of `singlehit virus` of this version"):
        load_network(tmp_path / "old.pt")


def test_what_is_wrong_is_said(given) -> None:
    folder, _ = given
    said = {
        "mask_none": (["--mask", "entry_1/nothing"], "has no dataset entry_1/nothing"),
        "data": (["--data", "entry_2/data"], "has no dataset entry_2/data"),
        "centre": (["--data", "other", "--mask", "none"], "has no image_center; say where the beam is"),
        "skip": (["--skip", "3"], "labels frame 3, which is left out"),
        "photon": (["--photon", "-1"], "expected a number above 0"),
    }
    for name, (more, match) in said.items():
        with pytest.raises(ValueError, match=match):
            main([str(folder / "run.cxi"), "--labels", str(folder / "labels.csv"), "--out", str(folder / name), *more])
        assert not list(folder.glob(f"{name}.*"))
    (folder / "few.csv").write_text("frame,single\n0,1\n1,0\n")
    with pytest.raises(ValueError, match="at least 4 of each"):
        main([str(folder / "run.cxi"), "--labels", str(folder / "few.csv"), "--out", str(folder / "too_few")])


def test_files_of_other_layouts_give_the_same_numbers(given, tmp_path, monkeypatch) -> None:
    """CXIDB-58's name, .npy and two files with labels that count in each: what is answered is answered alike."""
    folder, _ = given
    monkeypatch.setattr(virus, "FindRecipe", lambda: FindRecipe(epochs=1, iterations=2, members=1, batch_size=16))
    with h5py.File(folder / "run.cxi") as file:
        frames, mask = file["entry_1/image_1/data"][()] // 8, file["entry_1/image_1/mask"][()]
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "b.npy", frames[50:])
    with h5py.File(tmp_path / "a.h5", "w") as file, h5py.File(tmp_path / "all.h5", "w") as whole:
        file["photonConverter/pnccdBack/photonCount"] = frames[:50]
        whole["photonConverter/pnccdBack/photonCount"] = frames
    labels = pd.read_csv(folder / "labels.csv")
    own = labels.assign(file=np.where(labels["frame"] < 50, "a.h5", "b.npy"), frame=labels["frame"] % 50)
    own.to_csv(tmp_path / "own.csv", index=False)
    beside = ["--mask", str(tmp_path / "mask.npy"), "--centre", "31.5", "31.5"]
    asked = {
        "one": [
            folder / "run.cxi",
            "--data",
            "entry_1/image_1/data",
            "--labels",
            folder / "labels.csv",
            "--photon",
            "8",
        ],
        "spi": [folder / "run.cxi", "--labels", folder / "labels.csv", "--photon", "8"],
        "cxidb": [tmp_path / "all.h5", "--labels", folder / "labels.csv", *beside],
        "two": [tmp_path / "a.h5", tmp_path / "b.npy", "--labels", tmp_path / "own.csv", *beside],
    }
    for name, arguments in asked.items():
        assert main([*map(str, arguments), "--out", str(tmp_path / name)]) == 0
    found = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in asked}
    for name in ("one", "cxidb", "two"):
        pd.testing.assert_frame_equal(found[name][list(found["spi"])], found["spi"])
    assert found["two"]["row"].tolist() == [*range(50), *range(70)]
    with h5py.File(tmp_path / "two.cxi") as file:
        image, chosen = file["entry_1/image_1"], found["two"][found["two"]["single"] == 1]
        assert image["file"][()].astype(str).tolist() == [str(tmp_path / one) for one in chosen["file"].map(Path)]
        assert np.array_equal(image["data"], np.where(mask, 0, frames[chosen["frame"]]))
    with pytest.raises(FileExistsError, match="--overwrite replaces it"):
        main([*map(str, asked["spi"]), "--out", str(tmp_path / "spi")])


def test_a_damaged_frame_is_named_and_may_be_left_out(given, tmp_path, monkeypatch) -> None:
    folder, _ = given
    monkeypatch.setattr(virus, "FindRecipe", lambda: FindRecipe(epochs=1, iterations=2, members=1, batch_size=16))
    with h5py.File(folder / "run.cxi") as file, h5py.File(tmp_path / "run.cxi", "w") as copy:
        image = copy.create_group("entry_1/image_1")
        for name in ("mask", "image_center"):
            image[name] = file[f"entry_1/image_1/{name}"][()]
        frames = file["entry_1/image_1/data"][()] / 8
        frames[100, 3, 3] = np.nan
        image["data"] = frames
    arguments = [str(tmp_path / "run.cxi"), "--labels", str(folder / "labels.csv"), "--out", str(tmp_path / "found")]
    with pytest.raises(ValueError, match=r"frame 100 has 1 pixels that are no finite numbers"):
        main(arguments)
    assert not list(tmp_path.glob("found*"))
    assert main([*arguments, "--skip", "100"]) == 0
    table = pd.read_csv(tmp_path / "found.csv")
    assert len(table) == N
    assert table["p_single"].isna().to_numpy().nonzero()[0].tolist() == [100]
    assert table["single"][100] == 0


def test_a_quarter_of_either_kind_decides_and_another_is_held_out() -> None:
    frames, single = np.arange(20) * 2, np.arange(20) < 8
    learned, deciding, held = split_labels(frames, single, 0)
    assert sorted([*learned, *deciding, *held]) == frames.tolist()
    for some in (deciding, held):
        assert (some < 16).sum() == 2
        assert (some >= 16).sum() == 3
