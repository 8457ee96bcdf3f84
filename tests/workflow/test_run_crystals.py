"""A run on crystal frames, for real: two small datasets, prepared, learned from, told in tables and on a page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluate.sfx.outputs import FIGURES, TABLES
from frames.store import integrity
from screen.peaks import main as peaks
from support.programs.running import Workflow


def dataset(seed: int) -> dict:
    return {
        "seed": seed,
        "frames": {"hit": 10, "maybe": 4, "miss": 10, "most_spots": 60},
        "crystal": {"cell": [42, 76, 102, 90, 90, 90], "resolution_A": 2.5, "mosaicity_deg": 0.05, "seed": seed},
        "detector": {"n_pixels": 300, "binning": 2, "seed": seed},
    }


CONFIG = {
    "run": "tiny",
    "title": "Crystals, as small as it gets",
    "sfx": {
        "storage": {"patterns_per_chunk": 1, "patterns_per_shard": 12, "shards_per_job": 8},
        "datasets": {"first": dataset(1), "second": dataset(2)},
        "learning": {
            "preprocessing": {"local": {"pixels": 232, "local_contrast": "subtractive"}},
            "labels": {"few": {"train": 8, "validation": 8, "test": 8}},
            "seeds": [0],
            "orders": ["shuffled"],
            "device": "cpu",
            "systems": {
                "rows": {
                    "network": "rows",
                    "preprocessing": "local",
                    "labels": ["few"],
                    "recipe": {"epochs": 2, "batch_size": 4},
                },
                "ours": {"network": "spots", "labels": ["few"], "recipe": {"epochs": 2, "batch_size": 4}},
            },
        },
    },
}


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory, server: Path) -> Workflow:
    """The finished run."""
    workflow = Workflow(tmp_path_factory.mktemp("crystals"), server)
    workflow.write(CONFIG)
    threads = [f"{rule}=1" for rule in ("sfx_shards", "sfx_find")]
    done = workflow.snakemake("--set-threads", *threads)
    assert done.returncode == 0, done.stderr
    return workflow


def test_outputs_are_all_there(crystals: Workflow) -> None:
    results = crystals.results
    for name in TABLES:
        assert (results / "tables" / f"{name}.csv").exists()
    for name in FIGURES:
        assert (results / "figures" / name).stat().st_size > 0
    assert (results / "sfx.html").stat().st_size > 20_000
    for name in ("first", "second"):
        assert integrity.verify(results / "datasets" / name) == []
    assert not crystals.planned()


def test_every_system_is_told_of_its_own_and_the_other_dataset(crystals: Workflow) -> None:
    table = pd.read_csv(crystals.results / "tables" / "sfx.csv")
    assert {"rows", "ours"} < set(table["system"])  # and the peak finder
    asked = set(table.loc[table["system"] == "ours", ["trained_on", "tested_on"]].itertuples(index=False, name=None))
    assert asked == {(a, b) for a in ("first", "second") for b in ("first", "second")}
    own = table[(table["system"] == "ours") & (table["trained_on"] == table["tested_on"])]
    assert (own["n"] == 8).all()


def test_true_spots_are_as_many_as_the_plan_says(crystals: Workflow) -> None:
    for name in ("first", "second"):
        spots = pd.read_parquet(crystals.results / "datasets" / name / "spots.parquet")
        plan = pd.read_parquet(crystals.results / "plans" / f"{name}.parquet")
        visible = np.bincount(spots.loc[spots["visible"], "frame"], minlength=len(plan))
        np.testing.assert_array_equal(visible, plan["n_spots"])


def test_its_peaks_are_counted_as_those_of_a_file(crystals: Workflow, tmp_path: Path) -> None:
    """What the help of `singlehit peaks` shows."""
    counts = tmp_path / "frames.csv"
    assert peaks([str(crystals.results / "datasets" / "first"), "-o", str(counts)]) == 0
    assert len(pd.read_csv(counts)) == len(pd.read_parquet(crystals.results / "plans" / "first.parquet"))
