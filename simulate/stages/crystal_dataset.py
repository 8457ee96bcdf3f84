"""A dataset of crystal frames: its plan, the empty store, shards, and the card."""

from pathlib import Path

from frames.files import write_json
from frames.store.config import StorageConfig
from simulate.config import LocalClusterConfig, SlurmClusterConfig
from simulate.sfx import plan, shards
from simulate.sfx.config import CrystalDatasetConfig


def make_plan(config: CrystalDatasetConfig, plan_file: Path) -> None:
    """What each frame shows, drawn."""
    plan.write(plan.draw(config.frames, config.seed), plan_file)


def make_layout(config: CrystalDatasetConfig, storage: StorageConfig, plan_file: Path, folder: Path) -> None:
    """A plan -> the empty store of a dataset, with its labels."""
    shards.make_layout(config, storage, plan_file, folder)


def make_shards(
    config: CrystalDatasetConfig,
    cluster: LocalClusterConfig | SlurmClusterConfig,
    plan_file: Path,
    folder: Path,
    which: list[int],
    workers: int,
    job_file: Path,
) -> None:
    """Shards of a dataset -> rendered and written; the job's file lists them with their sha256."""
    markers = shards.make_shards(config, cluster, plan_file, folder, which, workers)
    write_json(job_file, {"shards": [m["shard"] for m in markers], "sha256": [m["sha256"] for m in markers]})


def complete_dataset(config: CrystalDatasetConfig, folder: Path) -> None:
    """All shards -> checked, their spots in one file, and the card of the dataset written."""
    shards.complete(config, folder)
