"""From rows of the plan to images, shard by shard, on a Dask cluster."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from simulate import background, integrity, patterns, store
from simulate import plan as plans
from simulate.atoms import Atoms
from simulate.cluster import start_cluster
from simulate.config import SimulationConfig
from simulate.detector import as_counts, sample_photons
from simulate.experiment import DatasetConfig
from simulate.files import read_json, sha256
from simulate.geometry import Geometry
from simulate.layout import Layout
from simulate.plan import Plan
from simulate.provenance import json_digest, source_digest
from simulate.shots import draw
from simulate.volume import Volume, VolumeStack, stack

if TYPE_CHECKING:
    from distributed.deploy import Cluster

logger = logging.getLogger(__name__)

SAMPLED_TOGETHER = 256
"""Patterns: 16 MB of expected photons of 128 x 128 pixels."""


@dataclass(frozen=True)
class Inputs:
    """Files that the images of a dataset are rendered from."""

    plan: Path
    geometry: Path
    volumes: Mapping[str, Path]
    """by structure id, in the order of the config, of those that the dataset holds; skopi's engine makes its own"""
    atoms: Mapping[str, Path] = field(default_factory=dict)
    """the same; only skopi's engine reads them"""

    def digest(self) -> str:
        """Digest of the bytes of every file."""
        files = [self.plan, self.geometry, *self.volumes.values(), *self.atoms.values()]
        return json_digest([sha256(file) for file in files])


def images(plan: Plan, inputs: Inputs, config: SimulationConfig, name: str) -> NDArray:
    """Images of these rows of the plan as dataset `name` records them: (n, ny, nx) float32 or uint16.

    Photons of the background are among them: its mean follows the pulse and the live share of each pixel.
    """
    chosen = config.datasets[name]
    if chosen.engine == "skopi":
        expected, photons = _skopi_shots(plan, inputs, config, chosen)
        return expected if chosen.record == "expected" else photons
    if chosen.record == "expected":
        return _expected_photons(plan, inputs, chosen)
    # Of expected photons only a block at a time is held: their memory is used again, and stays in the cache.
    photons = np.empty((len(plan), *load_geometry(inputs.geometry).shape), dtype=np.uint16)
    for start in range(0, len(plan), SAMPLED_TOGETHER):
        rows = plan.rows(slice(start, start + SAMPLED_TOGETHER))
        photons[start : start + SAMPLED_TOGETHER] = sample_photons(
            _expected_photons(rows, inputs, chosen),
            rows.table["seed"].to_numpy(np.uint64),
            chosen.readout.saturation_photons,
        )
    return photons


def _expected_photons(plan: Plan, inputs: Inputs, chosen: DatasetConfig) -> NDArray[np.float32]:
    """Mean photons of particles and background, (n, ny, nx)."""
    geometry = load_geometry(inputs.geometry)
    shots = draw(plan, chosen)
    expected = patterns.expected_photons(
        load_volumes(tuple(inputs.volumes.values())),
        geometry,
        shots,
        backend="torch" if chosen.engine == "torch" else "numba",
    )
    steady = background.expected(chosen.background, geometry.shape) * geometry.live.astype(np.float32)
    if steady.any():
        for image, factor in zip(expected, shots.pulse_factor.astype(np.float32), strict=True):
            image += factor * steady
    return expected


def _skopi_shots(
    plan: Plan, inputs: Inputs, config: SimulationConfig, chosen: DatasetConfig
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """The same rows by skopi's own experiment: its mesh, its linear interpolation, its corrections, its Poisson."""
    import gemmi

    from simulate import skopi_adapter

    mask = load_geometry(inputs.geometry).mask
    expected = np.zeros((len(plan), *mask.shape), dtype=np.float32)
    photons = np.zeros(expected.shape, dtype=np.uint16)
    drawn = draw(plan, chosen)
    photons_per_pulse = chosen.photons_per_pulse * drawn.pulse_factor
    beam = skopi_adapter.make_beam(chosen.beam.photon_energy_eV, chosen.beam.focus_radius_um, chosen.photons_per_pulse)
    pixels = chosen.detector
    detector = skopi_adapter.make_detector(pixels.n_pixels, pixels.image_pixel_size_um, pixels.distance_mm, beam)
    rows = plan.table.reset_index(drop=True)
    rows = rows[rows["hit_multiplicity"] > 0]  # without a particle there is nothing to see: skopi has no background
    for structure, shots in rows.groupby("structure"):
        atoms = Atoms.load(inputs.atoms[str(structure)])
        numbers = np.array([gemmi.Element(symbol).atomic_number for symbol in atoms.elements])
        multiplicities = tuple(int(m) for m in shots["hit_multiplicity"].unique())
        experiments = skopi_adapter.experiments(
            detector, beam, numbers, atoms.positions, atoms.occupancies, multiplicities
        )
        for row, shot in shots.iterrows():
            particles = slice(plan.start[row], plan.start[row + 1])
            mean, counts = skopi_adapter.shoot(
                experiments[int(shot["hit_multiplicity"])],
                photons_per_pulse[row],
                drawn.orientations[particles],
                drawn.positions[particles],
                int(shot["seed"]),
            )
            expected[row] = np.where(mask, 0, mean)
            photons[row] = as_counts(np.where(mask, 0, counts), chosen.readout.saturation_photons)
    return expected, photons


@lru_cache(maxsize=1)
def load_volumes(paths: tuple[Path, ...]) -> VolumeStack:
    """Volumes from their files, kept for the next call."""
    return stack([Volume.load(path) for path in paths])


@lru_cache(maxsize=2)
def load_geometry(path: Path) -> Geometry:
    """A geometry from its file, kept for the next call."""
    return Geometry.load(path)


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
        "source": source_digest("simulate.render"),
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
