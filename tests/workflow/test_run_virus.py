"""A run on a virus, as small as it gets: shots, or recorded frames, hits, sizes, splits, selections, tables, page."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from evaluate.virus.experiment import load_config
from evaluate.virus.files import (
    dataset_folder,
    hits_file,
    plan_file,
    read_splits,
    selection_file,
    sizes_file,
    splits_file,
)
from evaluate.virus.source.place import place_of
from frames.files import read_arrays, read_table
from frames.store.dataset import open_dataset
from support.programs.running import Workflow

NUMBERS = {
    "train": {"single": 8, "other": 16},
    "validation": {"single": 5, "other": 10},
    "test": {"single": 8, "other": 20},
}

CONFIG: dict[str, Any] = {
    "run": "tiny",
    "title": "Single hits of a virus, as few as it gets",
    "virus": {
        "simulation": {
            "shots": {"train": 160, "validation": 120, "test": 200},
            "kinds": {
                "single": 0.4, "double": 0.15, "aggregate": 0.15, "droplet": 0.1, "with_droplet": 0.1, "empty": 0.1,
            },
        },
        "storage": {"patterns_per_chunk": 16, "patterns_per_shard": 160, "shards_per_job": 3},
        "splits": NUMBERS,
    },
    "detection": {
        "methods": ["yolov2_jet_linear"],
        "image_size": 64,
        "width": 0.05,
        "recipe": {"optimiser": "adamw", "schedule": "cosine", "batch_size": 8, "epochs": 5, "iterations": 2},
    },
    "selection": {
        "em": {"n_classes": 6, "n_iterations": 6},
        "finder": {"epochs": 2, "iterations": 4, "members": 1},
        "rehearsal": {"shots": 30, "viruses": 1},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, server: Path) -> Workflow:
    """Run once."""
    made = Workflow(tmp_path_factory.mktemp("virus"), server)
    made.write(CONFIG)
    done = made.snakemake("--set-threads", "virus_shards=1")
    assert done.returncode == 0, done.stderr
    return made


def test_splits_have_exactly_what_was_asked_for(run) -> None:
    counts = read_splits(splits_file(run.results)).groupby(["split", "manual"]).size()
    assert {split: counts[split].to_dict() for split in NUMBERS} == NUMBERS


def test_every_method_has_its_row_and_the_page_is_there(run) -> None:
    table = pd.read_csv(run.results / "tables" / "selection.csv")
    assert {"yolov2_jet_linear", "em", "spectral", "ours", "nothing"} <= set(table["method"])
    assert (table.loc[table["against"] == "manual", "positives"] == 8).all()
    assert (run.results / "pr772.html").stat().st_size > 50_000
    assert (run.results / "cost.html").exists()


BETWEEN = 300
"""Frames of the first of two files."""


@pytest.fixture(scope="module")
def recorded(run: Workflow, tmp_path_factory: pytest.TempPathFactory, server: Path) -> tuple[Workflow, np.ndarray]:
    """The same frames in another order as a beamline has them: two files of spi-em-class' layout, and labels."""
    made = Workflow(tmp_path_factory.mktemp("recorded"), server)
    simulated, plan = open_dataset(dataset_folder(run.results)), read_table(plan_file(run.results)).to_pandas()
    order = np.random.default_rng(0).permutation(len(plan))
    frames, place = simulated.read(slice(0, len(plan)))[order], place_of(load_config(CONFIG))
    for name, rows in (("a.cxi", slice(0, BETWEEN)), ("b.cxi", slice(BETWEEN, None))):
        with h5py.File(made.folder / name, "w") as file:
            for k, some in enumerate(np.array_split(frames[rows], 3), 1):
                image = file.create_group(f"entry_1/image_{k}")
                image["data"], image["mask"] = 130 * some, simulated.mask.astype(np.int32)
                image["image_center"] = [*place.xy, 0.0]
    labels = pd.DataFrame({"frame": np.arange(len(plan)), "single": plan["manual"].to_numpy()[order] == "single"})
    labels[labels["frame"] % 10 != 9].to_csv(made.folder / "labels.csv", index=False)  # one in ten has no label
    virus = {name: value for name, value in CONFIG["virus"].items() if name != "simulation"}
    files = {
        "frames": ["a.cxi", "b.cxi"], "labels": "labels.csv", "photon": 130,
        "photon_energy_eV": place.geometry.photon_energy_eV, "distance_mm": place.geometry.distance_mm,
        "pixel_size_um": place.geometry.pixel_size_um,
    }  # fmt: skip
    made.write({**CONFIG, "run": "tiny", "virus": {**virus, "source": "file", "files": files}})
    done = made.snakemake()
    assert done.returncode == 0, done.stderr
    return made, order


def test_frames_keep_their_numbers_through_every_step(run, recorded) -> None:
    folder, order = recorded[0].results, recorded[1]
    plan, before = (read_table(plan_file(of)).to_pandas() for of in (folder, run.results))
    store, simulated = (open_dataset(dataset_folder(of)) for of in (folder, run.results))
    whole = np.maximum(np.rint(simulated.read(slice(0, len(plan)))), 0)
    assert np.array_equal(store.read(slice(0, len(plan))), whole[order])
    assert plan["frame"].tolist() == list(range(len(order)))
    assert (plan["file"] == np.where(plan["frame"] < BETWEEN, "a.cxi", "b.cxi")).all()
    assert (plan["row"] == plan["frame"] % BETWEEN).all()
    called = before["manual"].to_numpy()[order]
    assert (plan["manual"] == np.where(plan["frame"] % 10 == 9, "", called)).all()
    hits, sizes = (read_table(file(folder)).to_pandas() for file in (hits_file, sizes_file))
    assert hits["frame"].tolist() == plan["frame"].tolist()
    assert sizes["frame"].tolist() == hits["frame"][hits["hit"]].tolist()
    splits = read_splits(splits_file(folder))
    assert (splits["manual"] == called[splits["frame"]]).all()
    assert set(splits["frame"]) <= set(sizes["frame"][sizes["right_size"]])
    counts = splits.groupby(["split", "manual"]).size()
    assert {split: counts[split].to_dict() for split in NUMBERS} == NUMBERS
    tested = splits["frame"][splits["split"] == "test"].tolist()
    for method in ("yolov2_jet_linear", "em", "spectral", "ours"):
        assert read_arrays(selection_file(folder, method, 0))["frame"].tolist() == tested
    frames = pd.read_csv(folder / "tables" / "frames.csv")
    assert frames["frame"].tolist() == tested
    assert ((frames["file"] == "a.cxi") == (frames["frame"] < BETWEEN)).all()
    assert (frames["row"] == frames["frame"] % BETWEEN).all()
    chosen = read_arrays(selection_file(folder, "ours", 0))["chosen"]
    assert (frames["ours_0"].to_numpy() == chosen).all()


def test_recorded_frames_end_with_the_same_tables_and_page(run, recorded) -> None:
    folder = recorded[0].results
    names = sorted(file.name for file in (run.results / "tables").iterdir())
    assert sorted(file.name for file in (folder / "tables").iterdir()) == names
    table = pd.read_csv(folder / "tables" / "selection.csv")
    assert set(table["against"]) == {"manual"}
    assert {"yolov2_jet_linear", "em", "spectral", "ours", "nothing"} <= set(table["method"])
    page = (folder / "pr772.html").read_text()
    assert "What was hit is not known of these frames" in page
    assert len(page) > 50_000
