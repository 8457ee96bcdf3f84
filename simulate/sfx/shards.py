"""Datasets of crystal frames: the empty store, its shards by Dask workers, and the true spots beside them."""

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from frames.files import read_json
from frames.provenance import json_digest, source_digest, versions
from frames.store import integrity, writer
from frames.store.config import StorageConfig
from frames.store.hits import HIT_TARGET
from frames.store.layout import Layout
from frames.store.spots import SPOT_COLUMNS, read_spots, spots_file, write_spots
from simulate.config import LocalClusterConfig, SlurmClusterConfig
from simulate.render.cluster import start_cluster
from simulate.sfx import plan as plans
from simulate.sfx.config import CrystalDatasetConfig
from simulate.sfx.crystal import Crystal, crystal
from simulate.sfx.detector import detector
from simulate.sfx.frame import make
from simulate.sfx.layout import layout_of

logger = logging.getLogger(__name__)

Task = tuple[Path, int, Path, CrystalDatasetConfig, str]


def make_layout(config: CrystalDatasetConfig, storage: StorageConfig, plan_file: Path, folder: Path) -> None:
    """A plan -> the empty store, with its labels.

    All frames are of the split `test`: which are trained on is told by each protocol that is compared.
    """
    plan = plans.read(plan_file)
    labels = {
        "hit": writer.target_label(HIT_TARGET, plan["hit"].to_numpy()),
        "split": writer.split_label(["test"] * len(plan)),
        "seed": writer.seed_label(plan["seed"].to_numpy()),
        "n_spots": writer.Label(
            plan["n_spots"].to_numpy(np.int32), {"units": "1", "long_name": "visible spots of the crystal"}
        ),
    }
    maps = writer.pixel_maps(detector(config).live.astype(np.float64))
    writer.create(folder, layout_of(config, storage), labels, maps, title="Simulated frames of serial crystallography")


@lru_cache(maxsize=2)
def _crystal(config: CrystalDatasetConfig) -> Crystal:
    return crystal(config.crystal, config.crystal.resolution_A)


def spots_part(folder: Path, shard: int) -> Path:
    """True spots of a shard's frames, until the dataset is complete."""
    return folder / "spots" / f"{shard:05d}.parquet"


def make_shard(task: Task) -> dict[str, Any]:
    """Render and write one whole shard and its spots, unless they stand already, made from the same; its marker."""
    folder, shard, plan_file, config, made_from = task
    layout, part = Layout.load(folder), spots_part(folder, shard)
    if integrity.shard_problem(folder, layout, shard, made_from) is None and part.exists():
        return {**read_json(writer.shard_marker(folder, shard)), "kept": True}
    rows = layout.rows(shard)
    plan, camera, cells = plans.read(plan_file).iloc[rows], detector(config), _crystal(config)
    images = np.empty((len(plan), *layout.image_shape), np.uint16)
    found = []
    for place, row in enumerate(plan.itertuples()):
        try:
            frame = make(config, cells, camera, int(row.seed), int(row.n_spots), blank=bool(row.blank))
        except ValueError as error:
            raise ValueError(f"dataset {folder.name}, frame {row.frame}: {error}") from error
        images[place] = frame.adu
        values = (frame.spots.x, frame.spots.y, frame.spots.photons, frame.snr, frame.visible)
        found.append(pd.DataFrame(dict(zip(list(SPOT_COLUMNS)[1:], values, strict=True))).assign(frame=row.frame))
    write_spots(part, pd.concat(found, ignore_index=True)[list(SPOT_COLUMNS)])
    return {**writer.write_shard(folder, layout, shard, images, made_from), "kept": False}


def make_shards(
    config: CrystalDatasetConfig,
    cluster: LocalClusterConfig | SlurmClusterConfig,
    plan_file: Path,
    folder: Path,
    shards: Iterable[int],
    workers: int,
) -> list[dict[str, Any]]:
    """Make these shards of a dataset, one task a shard, on a Dask cluster of single-threaded processes.

    `workers` are the processes of a local cluster; where that is one, it is this process. Shards that stand are kept.
    """
    recipe = {"dataset": config.model_dump(mode="json"), "source": source_digest("simulate.sfx.frame")}
    tasks: list[Task] = [(folder, shard, plan_file, config, json_digest(recipe)) for shard in shards]
    markers = []
    bar = tqdm(total=len(tasks), desc=f"{folder.name} shards", unit="shard", disable=None)
    for marker in _made(tasks, cluster, workers, folder / "workers"):
        markers.append(marker)
        bar.update()
        how = "kept as it stood" if marker["kept"] else "rendered"
        logger.info("%s: shard %d %s, %d of %d", folder.name, marker["shard"], how, len(markers), len(tasks))
    bar.close()
    return sorted(markers, key=lambda marker: marker["shard"])


def _made(
    tasks: list[Task], config: LocalClusterConfig | SlurmClusterConfig, workers: int, logs: Path
) -> Iterator[dict[str, Any]]:
    if config.kind == "local" and min(workers, len(tasks)) <= 1:
        yield from map(make_shard, tasks)
        return
    from distributed import Client, as_completed

    with start_cluster(config, workers, len(tasks), logs) as cluster, Client(cluster) as client:
        for future in as_completed(client.map(make_shard, tasks, pure=False)):
            yield future.result()


def complete(config: CrystalDatasetConfig, folder: Path) -> None:
    """All shards -> their spots in one file, and the dataset checked and its card written."""
    layout = Layout.load(folder)
    parts = [read_spots(spots_part(folder, shard)) for shard in range(layout.n_shards)]
    write_spots(spots_file(folder), pd.concat(parts, ignore_index=True))
    integrity.complete(folder, {"config": config.model_dump(mode="json"), "versions": versions()})
