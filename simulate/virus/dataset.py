"""The store of all shots: its plan, its shards, its card."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from frames.files import read_arrays, read_json, read_table, write_arrays, write_table
from frames.labels import Label
from frames.provenance import json_digest, source_digest
from frames.store import integrity
from frames.store import writer as store
from frames.store.config import StorageConfig
from frames.store.layout import Layout
from simulate.virus.bodies import Bodies
from simulate.virus.config import VirusSimulationConfig
from simulate.virus.detector import geometry_of
from simulate.virus.images import photons_of, photons_per_fluence
from simulate.virus.layout import layout_of
from simulate.virus.plan import plan


def make_plan(path: Path, volumes_file: Path, config: VirusSimulationConfig) -> None:
    """Write the plan of all shots, and the volumes that their frames are sliced from."""
    geometry = geometry_of(config.detector.geometry)
    bodies = Bodies.of(config.virus, geometry.q_max)
    table = plan(config, photons_per_fluence(bodies, geometry))
    write_arrays(volumes_file, bodies.arrays())
    write_table(path, pa.Table.from_pandas(table, preserve_index=False))


@lru_cache(maxsize=1)
def _volumes(path: Path) -> Bodies:
    return Bodies.of_arrays(read_arrays(path))


def read_plan(path: Path) -> pd.DataFrame:
    """What `make_plan` wrote. FileNotFoundError; ValueError for a damaged file."""
    return read_table(path).to_pandas()


def _number(values: NDArray, units: str, name: str) -> Label:
    return Label(np.asarray(values, np.float32), {"units": units, "long_name": name})


def create(folder: Path, plan_file: Path, config: VirusSimulationConfig, storage: StorageConfig) -> None:
    """The empty store with all labels."""
    table, layout = read_plan(plan_file), layout_of(config, storage)
    labels = {
        "single": store.target_label(layout.target("single"), table["truth"].to_numpy()),
        "manual": store.target_label(layout.target("manual"), table["manual"].to_numpy()),
        "kind": store.target_label(layout.target("kind"), table["kind"].to_numpy()),
        "split": store.split_label(table["split"].to_numpy()),
        "seed": store.seed_label(table["seed"].to_numpy(np.uint64)),
        "frame": Label(table["frame"].to_numpy(np.int64), {"units": "1", "long_name": "row of the plan"}),
        "diameter_nm": _number(table["diameter_nm"], "nm", "circumdiameter of an icosahedron, diameter of a ball"),
        "fluence": _number(table["fluence"], "photons/um2", "where the particle was"),
    }
    live = geometry_of(config.detector.geometry).live
    store.create(folder, layout, labels, store.pixel_maps(live), title="Frames of shots at a virus")


def make_shard(
    folder: Path, shard: int, plan_file: Path, volumes_file: Path, config: VirusSimulationConfig, made_from: str
) -> dict[str, Any]:
    """Make and write one whole shard, unless it stands already, made from the same; its marker."""
    layout = Layout.load(folder)
    if integrity.shard_problem(folder, layout, shard, made_from) is None:
        return dict(read_json(store.shard_marker(folder, shard)))
    rows = read_plan(plan_file).iloc[layout.rows(shard)]
    bodies, geometry = _volumes(volumes_file), geometry_of(config.detector.geometry)
    return store.write_shard(folder, layout, shard, photons_of(rows, bodies, geometry, config.detector), made_from)


def made_from(plan_file: Path, config: VirusSimulationConfig) -> str:
    """Digest of all that photons depend on: what a person calls a shot changes none."""
    rows = read_plan(plan_file)[["seed", "kind", "diameter_nm", "fluence"]]
    return json_digest(
        {
            "plan": rows.to_csv(index=False),
            "virus": config.virus.model_dump(mode="json"),
            "detector": config.detector.model_dump(mode="json"),
            "source": source_digest("simulate.virus.images"),
        }
    )


def make_shards(
    folder: Path,
    shards: Iterable[int],
    plan_file: Path,
    volumes_file: Path,
    config: VirusSimulationConfig,
    workers: int,
) -> list[dict[str, Any]]:
    """Make these shards, one task a shard, on `workers` processes of a local Dask cluster; one is this process."""
    digest = made_from(plan_file, config)
    tasks = [(folder, shard, plan_file, volumes_file, config, digest) for shard in shards]
    if min(workers, len(tasks)) <= 1:
        return [make_shard(*task) for task in tasks]
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as c:
        return list(c.gather(c.map(lambda task: make_shard(*task), tasks, pure=False)))


def complete(folder: Path, config: VirusSimulationConfig) -> None:
    """Check all shards and write the card."""
    integrity.complete(folder, {"experiment": config.model_dump(mode="json")}, config.detector.background_photons)
