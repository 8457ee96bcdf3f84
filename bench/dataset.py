"""Patterns per second from a structure to a complete Zarr store, multiplicities 1 to 4, against skopi's generate_image.

Everything is counted: volume, plan, rendering, Poisson, compression, checksums, the cluster's start. skopi's rate is
that of its images alone, one to four particles in equal parts, one process a core, without storing them.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from setting import molecule, report, skopi_images
from simulate import stages
from simulate.aggregates import ballistic
from simulate.config import SimulationConfig
from simulate.files import write_json
from simulate.orientation import random_orientations
from simulate.reach import reach_of, reach_q
from simulate.render import Inputs

PATTERNS_PER_CLASS = 2048


def produce(folder: Path, cores: int) -> tuple[int, int]:
    """Patterns made and bytes on disk."""
    entry, atoms = molecule()
    config = SimulationConfig.model_validate(
        {
            "structures": [{"id": entry, "source": "phantom", "phantom": "double_ring"}],
            "plan": {"patterns_per_class": PATTERNS_PER_CLASS},
            "datasets": {"noisy": {"base": "poster"}},
        }
    )
    noisy, atoms_file = config.datasets["noisy"], folder / "atoms.npz"
    inputs = Inputs(folder / "plan.parquet", folder / "geometry.npz", {entry: folder / "field.npz"})
    atoms.save(atoms_file)
    write_json(folder / "structure.json", {"radius_nm": atoms.radius / 10})
    stages.make_geometry(noisy, inputs.geometry, folder / "geometry.json")
    reach = reach_q(reach_of(noisy))
    stages.make_volume(atoms_file, reach, config.volume, inputs.volumes[entry], folder / "field.json")
    stages.make_plan(config, noisy.placement, {entry: atoms_file}, inputs.plan)
    records = {entry: folder / "structure.json"}
    stages.make_layout(config, inputs.plan, inputs.geometry, records, folder / "noisy")
    shards = list(range(stages.layout_of(config, "noisy").n_shards))
    stages.make_shards(config, inputs, folder / "noisy", shards, cores, folder / "noisy" / "jobs" / "0.json")
    stages.complete_dataset(config, folder / "noisy", folder / "geometry.json")
    stored = sum(file.stat().st_size for file in (folder / "noisy" / "patterns.zarr").rglob("*") if file.is_file())
    return 4 * PATTERNS_PER_CLASS, stored


def skopi_rate(cores: int) -> float:
    """Images per second of skopi alone, for equal numbers of one to four particles."""
    _, atoms = molecule()
    rng = np.random.default_rng(0)
    seconds = 0.0
    for n in (1, 2, 3, 4):
        orientations = random_orientations(rng, 8 * n).reshape(8, n, 4)
        positions = np.stack([ballistic(rng, n, atoms.radius) for _ in range(8)])
        seconds += 1 / skopi_images(atoms, orientations, positions, cores)[0]
    return 4 / seconds


if __name__ == "__main__":
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        patterns, stored = produce(Path(folder), cores)
        ours = patterns / (time.perf_counter() - start)
    report(
        "dataset",
        ours,
        skopi_rate(cores),
        "patterns/s",
        structure=molecule()[0],
        cores=cores,
        patterns=patterns,
        bytes_per_pattern=stored / patterns,
    )
