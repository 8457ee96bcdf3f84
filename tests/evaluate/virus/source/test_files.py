"""Recorded frames in place of a simulation: what is wrong is said before any job, and nothing is lost on the way."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from evaluate.virus import files
from evaluate.virus.experiment import VirusRunConfig, load_config, problems_of
from evaluate.virus.hits import HitsConfig, find_hits
from evaluate.virus.sizes import SizesConfig, measure
from evaluate.virus.source.config import FilesConfig
from evaluate.virus.source.place import place_of
from evaluate.virus.source.splits import Numbers, choose, dealt
from evaluate.virus.source.taken_in import geometry_of, take_in
from frames.files import read_table
from frames.geometry import wavelength
from frames.store.config import StorageConfig
from frames.store.dataset import open_dataset

SHAPE = (24, 20)
N = 30


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A config of a file in CXIDB-58's layout, with its mask, and labels of 20 of 30 frames."""
    monkeypatch.chdir(tmp_path)
    frames = np.random.default_rng(0).poisson(2, (N, *SHAPE))
    with h5py.File("run.h5", "w") as file:
        file["photonConverter/pnccdBack/photonCount"] = frames
    mask = np.zeros(SHAPE, np.uint8)
    mask[11:13] = 1
    np.save("mask.npy", mask)
    labels = pd.DataFrame({"frame": np.arange(20) + 5, "single": np.arange(20) % 4 == 0})
    labels.to_csv("labels.csv", index=False)
    source = {
        "frames": "run.h5", "labels": "labels.csv", "mask": "mask.npy", "centre_px": [9.5, 12.0],
        "photon_energy_eV": 1700.0, "distance_mm": 130.0, "pixel_size_um": 75.0,
    }  # fmt: skip
    few = {"single": 1, "other": 3}
    splits = {"train": few, "validation": few, "test": few}
    return {"run": "mine", "title": "Mine", "virus": {"source": "file", "files": source, "splits": splits}}


def changed(mapping: dict[str, Any], **said: Any) -> VirusRunConfig:
    """With other values in the section `files`; None takes one out."""
    source = {name: value for name, value in (mapping["virus"]["files"] | said).items() if value is not None}
    return load_config(mapping | {"virus": mapping["virus"] | {"files": source}})


def taken_in(run: VirusRunConfig) -> Path:
    assert run.virus.files is not None
    take_in(run.folder, run.virus.files, run.virus.storage)
    return run.folder


def test_frames_labels_mask_and_beam_are_kept(mapping: dict[str, Any]) -> None:
    run = changed(mapping)
    assert problems_of(run) == []
    folder = taken_in(run)
    store, plan = open_dataset(files.dataset_folder(folder)), read_table(files.plan_file(folder)).to_pandas()
    with h5py.File("run.h5") as file:
        frames = file["photonConverter/pnccdBack/photonCount"][()]
    mask = np.load("mask.npy") != 0
    assert np.array_equal(store.mask, mask)
    assert np.array_equal(store.read(slice(0, N)), np.where(mask, 0, frames))
    assert plan["frame"].tolist() == plan["row"].tolist() == list(range(N))
    wanted = np.full(N, "", object)
    wanted[5:25] = np.where(np.arange(20) % 4 == 0, "single", "other")
    assert (plan["manual"] == wanted).all()
    place = place_of(run)
    assert place.xy == (9.5, 12.0)
    q = np.linalg.norm(place.geometry.q, axis=-1)
    # 2 pixels below the beam, half a pixel beside: 2.0616 x 75 um at 130 mm is an angle, q = 2 k sin(angle / 2)
    angle = np.arctan(np.hypot(2, 0.5) * 75e-6 / 130e-3)
    wavelength = 12398.4198 / 1700.0
    assert q[14, 10] == pytest.approx(4 * np.pi / wavelength * np.sin(angle / 2), rel=1e-6)


def test_a_frame_that_is_left_out_is_dark_and_the_others_keep_their_numbers(mapping: dict[str, Any]) -> None:
    with h5py.File("run.h5", "a") as file:
        frames = file["photonConverter/pnccdBack/photonCount"][()] * 1.0
        del file["photonConverter/pnccdBack/photonCount"]
        frames[2] = np.nan
        file["photonConverter/pnccdBack/photonCount"] = frames
    with pytest.raises(ValueError, match=r"run.h5: photonConverter/pnccdBack/photonCount: frame 2 has .*no finite"):
        taken_in(changed(mapping))
    assert not (changed(mapping).folder / "datasets" / "shots" / "dataset.json").exists()
    read = open_dataset(files.dataset_folder(taken_in(changed(mapping, skip=[2])))).read(slice(1, 4))
    assert not read[1].any()
    live = np.load("mask.npy") == 0
    assert np.array_equal(read[[0, 2]][:, live], frames[[1, 3]][:, live])


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"frames": ["run.h5", "gone.h5"]}, "virus.files: there is no file gone.h5"),
        ({"labels": "gone.csv"}, "there is no file gone.csv"),
        ({"mask": "gone.npy"}, "there is no file gone.npy"),
        ({"mask": None}, "photonCount has no mask; name one"),
        ({"centre_px": None}, "has no image_center; say where the beam is"),
        ({"distance_mm": None}, "neither the file nor you say distance_mm"),
        ({"dataset": "entry_1/data"}, "has no dataset entry_1/data.*photonConverter/pnccdBack/photonCount"),
        ({"skip": [6]}, "labels frame 6, which is left out"),
        ({"skip": [30]}, "no frame 30 to leave out"),
    ],
)
def test_what_is_wrong_with_files_is_said_before_any_job(mapping: dict[str, Any], said: dict, match: str) -> None:
    (problem,) = problems_of(changed(mapping, **said))
    assert pd.Series([problem]).str.contains(match).all(), problem


def test_more_frames_than_labels_is_said_before_any_job(mapping: dict[str, Any]) -> None:
    mapping["virus"]["splits"]["test"] = {"single": 4, "other": 90}
    assert problems_of(changed(mapping)) == [
        "virus.splits: 6 frames called single are asked for, but labels.csv has 5; ask for fewer",
        "virus.splits: 96 frames called other are asked for, but labels.csv has 15; ask for fewer",
    ]


def test_a_file_that_is_cut_short_is_said_before_any_job(mapping: dict[str, Any]) -> None:
    path = Path("run.h5")
    path.write_bytes(path.read_bytes()[:-2000])
    (problem,) = problems_of(changed(mapping))
    assert "run.h5 is cut short" in problem


def test_a_pixel_that_is_too_bright_for_a_photon_is_named(mapping: dict[str, Any]) -> None:
    with h5py.File("run.h5", "a") as file:
        file["photonConverter/pnccdBack/photonCount"][7, 3, 3] = 70_000
    with pytest.raises(ValueError, match=r"frame 7 has a pixel of 70000 photons.*virus.files.photon"):
        taken_in(changed(mapping))


@pytest.mark.parametrize(
    ("virus", "match"),
    [
        ({"files": None}, "source: file needs a section files"),
        ({"source": "simulated"}, "source: simulated needs a section simulation"),
    ],
)
def test_a_source_needs_its_section(mapping: dict[str, Any], virus: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        load_config(mapping | {"virus": mapping["virus"] | virus})


NUMBERS = {name: Numbers(single=2, other=3) for name in ("train", "validation", "test")}


def table(split: list[str] | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """40 frames, every fourth single, the last eight without a label, every fifth not passing."""
    frame = np.arange(40)
    manual = np.where(frame < 32, np.where(frame % 4 == 0, "single", "other"), "")
    return pd.DataFrame({"frame": frame, "manual": manual, "split": split or [""] * 40}), frame % 5 != 0


def test_labelled_frames_that_pass_are_dealt_once_to_a_split() -> None:
    told, passes = table()
    got = dealt(told, passes, NUMBERS, seed=1)
    assert ((got["split"] != "") == (passes & (told["manual"] != "").to_numpy())).all()
    chosen = choose(got, passes, {name: Numbers(single=1, other=3) for name in NUMBERS})
    assert chosen["frame"].is_unique
    assert not dealt(told, passes, NUMBERS, seed=2)["split"].equals(got["split"])
    assert dealt(told, passes, NUMBERS, seed=1)["split"].equals(got["split"])


def test_a_split_that_a_person_said_stays() -> None:
    split = [""] * 40
    split[4], split[8], split[1] = "test", "validation", "test"
    told, passes = table(split)
    got = dealt(told, passes, NUMBERS, seed=0)["split"]
    assert (got[4], got[8], got[1]) == ("test", "validation", "test")


def test_a_split_without_a_single_hit_is_said() -> None:
    told, passes = table(["train"] * 40)
    with pytest.raises(ValueError, match=r"validation: 0 frames called single pass, 2 wanted .* label more frames"):
        choose(dealt(told, passes, NUMBERS, 0), passes, NUMBERS, "label more frames")


REAL = Path(os.environ.get("SINGLEHIT_SHARED", Path(__file__).parents[5] / "shared")) / "real-frames" / "pr772"


@pytest.mark.skipif(not REAL.exists(), reason=f"no real frames in {REAL}; SINGLEHIT_SHARED names the folder")
def test_real_frames_have_their_sizes_once_they_are_whole_photons(tmp_path: Path) -> None:
    """pnCCD in ADU, one pixel of one frame no number: named, then masked; 702 A for both singles, within 3 %."""
    adu = np.load(REAL / "frames-0-4-adu.npy")
    mask = (np.load(REAL / "mask.npy") + np.load(REAL / "artifacts.npy")) > 0
    with h5py.File(tmp_path / "run.cxi", "w") as file:
        image = file.create_group("entry_1/image_1")
        image["data"], image["mask"], image["image_center"] = adu, mask.astype(np.int32), [128.0, 130.0, 0.0]
    (tmp_path / "labels.csv").write_text("frame,single\n0,0\n1,1\n2,1\n3,0\n4,0\n")
    said: dict[str, Any] = {
        "frames": tmp_path / "run.cxi", "labels": tmp_path / "labels.csv", "photon": 8.1,
        "photon_energy_eV": wavelength(1.0) / 7.75, "distance_mm": 586, "pixel_size_um": 300,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"run.cxi: entry_1/image_1/data: frame 3 has 1 pixels that are no finite"):
        take_in(tmp_path / "refused", FilesConfig(**said), StorageConfig())
    np.save(tmp_path / "mask.npy", mask | ~np.isfinite(adu).all(0))
    config, folder = FilesConfig(**said, mask=str(tmp_path / "mask.npy")), tmp_path / "taken"
    take_in(folder, config, StorageConfig())
    geometry = geometry_of(config.recording())
    frames, q = open_dataset(files.dataset_folder(folder)).read(slice(0, 5)), np.linalg.norm(geometry.q, axis=-1)
    assert find_hits(frames, geometry.mask, (130.0, 128.0), HitsConfig()).hit.all()
    found = measure(frames, geometry.mask, (130.0, 128.0), q, SizesConfig())
    assert found.diameter_nm[[1, 2]] == pytest.approx(70.2, rel=0.03)
    assert (found.right_size & found.one_particle).tolist() == [False, True, True, False, False]
