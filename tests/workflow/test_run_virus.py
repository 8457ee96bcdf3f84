"""A run on a virus, as small as it gets: shots, hits, sizes, splits, selections, tables, page."""

from typing import Any

import pandas as pd
import pytest

from evaluate.virus.files import read_splits, splits_file
from support.running import Workflow

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
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """Run once."""
    made = Workflow(tmp_path_factory.mktemp("virus"))
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
