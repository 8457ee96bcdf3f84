"""Whole shards of a dataset, rendered and written."""

from pathlib import Path

from simulate import render
from simulate.config import SimulationConfig
from simulate.files import write_json


def make_shards(
    config: SimulationConfig, inputs: render.Inputs, folder: Path, shards: list[int], workers: int, job_file: Path
) -> None:
    """Shards of a dataset -> rendered and written; the job's file lists them with their sha256."""
    markers = render.make_shards(folder, shards, inputs, config, workers)
    write_json(job_file, {"shards": [m["shard"] for m in markers], "sha256": [m["sha256"] for m in markers]})
