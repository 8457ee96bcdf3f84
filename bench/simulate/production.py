"""Making a whole dataset, stage by stage, and what each took; for the benchmarks of production."""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from bench.setting import STRUCTURES
from frames.files import write_json
from simulate.config import SimulationConfig
from simulate.experiment.reach import reach_of, reach_q
from simulate.molecules import phantoms
from simulate.molecules.atoms import Atoms
from simulate.molecules.structures import read_structure
from simulate.render.images import Inputs
from simulate.render.layout import layout_of
from simulate.stages.dataset import complete_dataset
from simulate.stages.dataset_layout import make_layout
from simulate.stages.dataset_shards import make_shards
from simulate.stages.geometry import make_geometry
from simulate.stages.plan import make_plan
from simulate.stages.volume import make_volume

ELEVEN = {
    "2bfu": "deposited",
    "4v1w": "deposited",
    "1oel": "deposited",
    "4a0v": "deposited",
    "1aon": "deposited",
    "3cf3": "1",
    "3kg2": "deposited",
    "7bnn": "deposited",
    "6m17": "deposited",
    "6nb6": "deposited",
    "6nb7": "deposited",
}
"""The stand-ins of config/standins.yaml: entry -> assembly."""


@dataclass
class Production:
    """What it took to make one dataset."""

    patterns: int
    stored_bytes: int = 0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    """resident, of all processes together, sampled every tenth of a second"""
    seconds: dict[str, float] = field(default_factory=dict)
    """by stage"""

    @property
    def total(self) -> float:
        """Seconds from structures to the complete store."""
        return sum(self.seconds.values())


def molecules(n: int | None = None) -> dict[str, Callable[[], Atoms]]:
    """How to read the stand-ins, all or the first n; phantoms where the deposited structures are not at hand."""
    readers: dict[str, Callable[[], Atoms]]
    if STRUCTURES.exists():
        files = {entry: next(STRUCTURES.glob(f"{entry}.*.gz")) for entry in ELEVEN}
        readers = {
            entry: partial(read_structure, files[entry], assembly=assembly) for entry, assembly in ELEVEN.items()
        }
    else:
        readers = {name: partial(phantoms.build, name) for name in phantoms.PHANTOMS}
    return dict(list(readers.items())[:n])


def produce(
    folder: Path, structures: Mapping[str, Callable[[], Atoms]], patterns_per_class: int, cores: int, **dataset: Any
) -> Production:
    """Structures to a complete Zarr store of multiplicities 1 to 4; `dataset` overrides the preset `poster`."""
    config = SimulationConfig.model_validate(
        {
            "structures": [{"id": name, "source": "phantom", "phantom": "globule"} for name in structures],
            "plan": {"patterns_per_class": patterns_per_class},
            "datasets": {"made": {"base": "poster", **dataset}},
        }
    )
    made, out = config.datasets["made"], folder / "made"
    atoms, records, volumes = (
        {name: folder / f"{name}{end}" for name in structures} for end in (".npz", ".json", "-f.npz")
    )
    inputs = Inputs(folder / "plan.parquet", folder / "geometry.npz", volumes)
    production = Production(4 * len(structures) * patterns_per_class)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        production.seconds[name] = time.perf_counter() - start

    before = _cpu_seconds()
    with _peak_memory(production):
        with stage("structures"):
            for name, read in structures.items():
                centred = read().centred()
                centred.save(atoms[name])
                write_json(records[name], {"radius_nm": centred.radius / 10})
        with stage("volumes"):
            for name in structures:
                record = volumes[name].with_suffix(".json")
                make_volume(atoms[name], reach_q(reach_of(made)), config.volume, volumes[name], record)
        with stage("plan"):
            make_plan(config, made.placement, atoms, inputs.plan)
        with stage("layout"):
            make_geometry(made, inputs.geometry, folder / "geometry.json")
            make_layout(config, inputs.plan, inputs.geometry, records, out)
        with stage("shards"):
            shards = list(range(layout_of(config, "made").n_shards))
            make_shards(config, inputs, out, shards, cores, out / "jobs" / "0.json")
        with stage("checks"):
            complete_dataset(config, out, folder / "geometry.json")
    production.cpu_seconds = _cpu_seconds() - before
    production.stored_bytes = sum(file.stat().st_size for file in (out / "patterns.zarr").rglob("*") if file.is_file())
    return production


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


@contextmanager
def _peak_memory(production: Production) -> Iterator[None]:
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            resident = 0
            for process in (psutil.Process(os.getpid()), *psutil.Process(os.getpid()).children(recursive=True)):
                try:
                    resident += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue  # it ended between the two calls
            production.peak_bytes = max(production.peak_bytes, resident)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
