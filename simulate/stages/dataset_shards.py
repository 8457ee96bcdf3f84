"""Whole shards of a dataset, rendered and written."""

from pathlib import Path

from frames.files import write_json
from simulate.config import SimulationConfig
from simulate.render import images
from simulate.render import shards as rendering


def make_shards(
    config: SimulationConfig, inputs: images.Inputs, folder: Path, shards: list[int], workers: int, job_file: Path
) -> None:
    """Shards of a dataset -> rendered and written; the job's file lists them with their sha256."""
    markers = rendering.make_shards(folder, shards, inputs, config, workers)
    write_json(job_file, {"shards": [m["shard"] for m in markers], "sha256": [m["sha256"] for m in markers]})
