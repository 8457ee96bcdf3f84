"""From rows of the plan to images, shard by shard, on a Dask cluster."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from simulate import integrity, patterns, store
from simulate import plan as plans
from simulate.atoms import Atoms
from simulate.beam import fluence
from simulate.config import SimulationConfig
from simulate.detector import as_counts, sample_photons
from simulate.files import read_json, sha256
from simulate.geometry import Geometry
from simulate.provenance import json_digest, source_digest
from simulate.store import Layout
from simulate.volume import Volume

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """Files that the images of a run are rendered from."""

    plan: Path
    geometry: Path
    volumes: Mapping[str, Path]
    """by structure id"""
    atoms: Mapping[str, Path]
    """by structure id; only skopi's engine reads them"""

    def digest(self) -> str:
        """Digest of the bytes of every file."""
        files = [self.plan, self.geometry, *self.volumes.values(), *self.atoms.values()]
        return json_digest([sha256(file) for file in files])


def shot_fluence(plan: pd.DataFrame, config: SimulationConfig, name: str) -> NDArray[np.float64]:
    """(n,) fluence of every shot of a dataset [photons/µm²]."""
    chosen = config.datasets[name]
    nominal = fluence(chosen.photons_per_pulse, config.beam.focus_radius_um)
    factor = plan["fluence_factor"].to_numpy(np.float64)
    return nominal * (factor if chosen.fluence_jitter else np.ones_like(factor))


def images(plan: pd.DataFrame, inputs: Inputs, config: SimulationConfig, name: str) -> NDArray:
    """Images of these rows of the plan as dataset `name` records them: (n, ny, nx) float32 or uint16."""
    if config.datasets[name].engine == "skopi":
        expected, photons = _skopi_shots(plan, inputs, config, name)
        return expected if config.datasets[name].record == "expected" else photons
    backend: patterns.Backend = "torch" if config.datasets[name].engine == "torch" else "numba"
    expected = _expected_photons(plan, inputs, shot_fluence(plan, config, name), backend)
    if config.datasets[name].record == "expected":
        return expected
    return sample_photons(expected, plan["seed"].to_numpy(np.uint64))


def _expected_photons(
    plan: pd.DataFrame, inputs: Inputs, fluences: NDArray[np.float64], backend: patterns.Backend
) -> NDArray[np.float32]:
    geometry = _load_geometry(inputs.geometry)
    result = np.empty((len(plan), *geometry.shape), dtype=np.float32)
    # The kernels take shots of one structure and one multiplicity at a time.
    for (structure, _), rows in plan.reset_index(drop=True).groupby(["structure", "hit_multiplicity"]).indices.items():
        chosen = plan.iloc[rows]
        result[rows] = patterns.expected_photons(
            _load_volume(inputs.volumes[structure]),
            geometry,
            np.stack(list(chosen["orientations"])),
            np.stack(list(chosen["positions"])),
            fluences[rows],
            backend=backend,
        )
    return result


def _skopi_shots(
    plan: pd.DataFrame, inputs: Inputs, config: SimulationConfig, name: str
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """The same rows by skopi's own experiment: its mesh, its linear interpolation, its corrections, its Poisson."""
    import gemmi

    from simulate import skopi_adapter

    mask = _load_geometry(inputs.geometry).mask
    expected = np.empty((len(plan), *mask.shape), dtype=np.float32)
    photons = np.empty(expected.shape, dtype=np.uint16)
    factors = plan["fluence_factor"].to_numpy() if config.datasets[name].fluence_jitter else np.ones(len(plan))
    photons_per_pulse = config.datasets[name].photons_per_pulse
    beam = skopi_adapter.make_beam(config.beam.photon_energy_eV, config.beam.focus_radius_um, photons_per_pulse)
    pixels = config.detector
    detector = skopi_adapter.make_detector(pixels.n_pixels, pixels.pixel_size_um, pixels.distance_mm, beam)
    for structure, rows in plan.reset_index(drop=True).groupby("structure").indices.items():
        atoms = Atoms.load(inputs.atoms[structure])
        numbers = np.array([gemmi.Element(symbol).atomic_number for symbol in atoms.elements])
        multiplicities = tuple(int(m) for m in plan["hit_multiplicity"].iloc[rows].unique())
        experiments = skopi_adapter.experiments(
            detector, beam, numbers, atoms.positions, atoms.occupancies, multiplicities
        )
        for row in rows:
            shot = plan.iloc[row]
            mean, counts = skopi_adapter.shoot(
                experiments[int(shot["hit_multiplicity"])],
                photons_per_pulse * factors[row],
                shot["orientations"],
                shot["positions"],
                int(shot["seed"]),
            )
            expected[row], photons[row] = np.where(mask, 0, mean), as_counts(np.where(mask, 0, counts))
    return expected, photons


@lru_cache(maxsize=64)
def _load_volume(path: Path) -> Volume:
    return Volume.load(path)


@lru_cache(maxsize=2)
def _load_geometry(path: Path) -> Geometry:
    return Geometry.load(path)


@lru_cache(maxsize=2)
def _load_plan(path: Path) -> pd.DataFrame:
    return plans.read(path)


def make_shard(folder: Path, shard: int, inputs: Inputs, config: SimulationConfig, made_from: str) -> dict[str, Any]:
    """Render and write one whole shard, unless it stands already, made from the same; returns its marker."""
    layout = Layout.load(folder)
    if integrity.shard_problem(folder, layout, shard, made_from) is None:
        return read_json(store.shard_marker(folder, shard))
    rows = _load_plan(inputs.plan).iloc[layout.rows(shard)]
    return store.write_shard(folder, layout, shard, images(rows, inputs, config, folder.name), made_from)


def make_shards(
    folder: Path, shards: Iterable[int], inputs: Inputs, config: SimulationConfig, workers: int
) -> list[dict[str, Any]]:
    """Make these shards of a dataset, one task a shard, on a local Dask cluster of single-threaded processes.

    A worker that dies is replaced and its shard made again; shards that stand are checked and kept.
    """
    shards = list(shards)
    recipe = {
        "inputs": inputs.digest(),
        "dataset": config.datasets[folder.name].model_dump(mode="json"),
        "beam": config.beam.model_dump(mode="json"),
        "source": source_digest("simulate.render"),
    }
    made_from = json_digest(recipe)
    tasks = [(folder, shard, inputs, config, made_from) for shard in shards]
    markers = []
    bar = tqdm(total=len(tasks), desc=f"{folder.name} shards", unit="shard", disable=None)
    for marker in _on_cluster(_shard_task, tasks, workers):
        markers.append(marker)
        bar.update()
        logger.info("%s: %d of %d shards done (shard %d)", folder.name, len(markers), len(tasks), marker["shard"])
    bar.close()
    return sorted(markers, key=lambda marker: marker["shard"])


def _shard_task(task: tuple[Path, int, Inputs, SimulationConfig, str]) -> dict[str, Any]:
    import numba

    numba.set_num_threads(1)  # the cluster has a process per core
    return make_shard(*task)


def _on_cluster(function: Callable[[Any], Any], tasks: list[Any], workers: int) -> Iterable[Any]:
    """Results of function(task) as they come, from at most `workers` processes."""
    from distributed import Client, LocalCluster, as_completed

    with (
        LocalCluster(
            n_workers=min(workers, len(tasks)), threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        futures = client.map(function, tasks, pure=False)
        for future in as_completed(futures):
            yield future.result()
