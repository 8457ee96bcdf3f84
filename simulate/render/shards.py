"""Shards of a dataset, rendered by workers."""

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from distributed.deploy import Cluster
from tqdm import tqdm

from frames.files import read_json
from frames.provenance import json_digest, source_digest
from frames.store import integrity
from frames.store import writer as store
from frames.store.layout import Layout
from simulate.config import SimulationConfig
from simulate.plan import plan as plans
from simulate.plan.plan import Plan
from simulate.render.cluster import start_cluster
from simulate.render.images import Inputs, images

logger = logging.getLogger(__name__)


def _rows(path: Path, config: SimulationConfig, name: str, rows: slice) -> Plan:
    """Rows of a dataset. One that holds the whole plan reads no others: a plan may be larger than memory."""
    chosen = config.datasets[name]
    structures, among = config.selected(name), config.planned(chosen.placement)
    if structures == among and not chosen.select.shares:
        return plans.read(path, rows)
    return _selected_plan(path, structures, among, tuple(chosen.select.shares.items())).rows(rows)


@lru_cache(maxsize=2)
def _selected_plan(
    path: Path, structures: tuple[str, ...], among: tuple[str, ...], shares: tuple[tuple[int, float], ...]
) -> Plan:
    return plans.select(plans.only(plans.read(path), structures, among), dict(shares))


def make_shard(folder: Path, shard: int, inputs: Inputs, config: SimulationConfig, made_from: str) -> dict[str, Any]:
    """Render and write one whole shard, unless it stands already, made from the same; its marker, and `kept`."""
    layout = Layout.load(folder)
    if integrity.shard_problem(folder, layout, shard, made_from) is None:
        return {**read_json(store.shard_marker(folder, shard)), "kept": True}
    rows = _rows(inputs.plan, config, folder.name, layout.rows(shard))
    images_of = images(rows, inputs, config, folder.name)
    return {**store.write_shard(folder, layout, shard, images_of, made_from), "kept": False}


def make_shards(
    folder: Path, shards: Iterable[int], inputs: Inputs, config: SimulationConfig, workers: int
) -> list[dict[str, Any]]:
    """Make these shards of a dataset, one task a shard, on a Dask cluster of single-threaded processes.

    `workers` are the processes of a local cluster; where that is one, it is this process. A worker that dies is
    replaced and its shard made again; shards that stand are checked and kept.
    """
    shards = list(shards)
    chosen = config.datasets[folder.name]
    recipe = {
        "inputs": inputs.digest(),
        "dataset": chosen.model_dump(mode="json", exclude={"readout"}),
        # Of the readout only this is in the photons; the rest is applied whenever they are read.
        "saturation_photons": chosen.readout.saturation_photons,
        "source": source_digest("simulate.render.images"),
    }
    made_from = json_digest(recipe)
    tasks = [(folder, shard, inputs, config, made_from) for shard in shards]
    markers = []
    bar = tqdm(total=len(tasks), desc=f"{folder.name} shards", unit="shard", disable=None)
    if config.cluster.kind == "local" and min(workers, len(tasks)) == 1:
        made: Iterable[dict[str, Any]] = (make_shard(*task) for task in tasks)
    else:
        made = _on_cluster(_shard_task, tasks, start_cluster(config.cluster, workers, len(tasks), folder / "workers"))
    for marker in made:
        markers.append(marker)
        bar.update()
        how = "kept as it stood" if marker["kept"] else "rendered"
        logger.info("%s: shard %d %s, %d of %d done", folder.name, marker["shard"], how, len(markers), len(tasks))
    bar.close()
    kept = sum(marker["kept"] for marker in markers)
    logger.info("%s: kept %d of %d shards, rendered %d", folder.name, kept, len(markers), len(markers) - kept)
    return sorted(markers, key=lambda marker: marker["shard"])


def _shard_task(task: tuple[Path, int, Inputs, SimulationConfig, str]) -> dict[str, Any]:
    import numba

    numba.set_num_threads(1)  # the cluster has a process per core
    return make_shard(*task)


def _on_cluster(function: Callable[[Any], Any], tasks: list[Any], cluster: "Cluster") -> Iterable[Any]:
    """Results of function(task) as they come; the cluster is closed after the last, or an error."""
    from distributed import Client, as_completed

    with cluster, Client(cluster) as client:
        futures = client.map(function, tasks, pure=False)
        for future in as_completed(futures):
            yield future.result()
