"""Where the numbers of a table come from."""

from collections.abc import Mapping
from typing import Any

from evaluate.run.benchmarks import read_jobs
from evaluate.run.circumstances import circumstances
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from frames.files import read_json
from frames.provenance import json_digest, source_digest, versions
from simulate.molecules.phantoms import RANDOM

SIMULATED = tuple(
    f"simulate.stages.{stage}"
    for stage in ("structure", "geometry", "volume", "plan", "dataset_layout", "dataset_shards", "dataset")
)
"""The code that made the datasets."""


def gather(files: RunFiles, config: RunConfig) -> dict[str, Any]:
    """Provenance of the tables of a run, JSON-able: code, settings, structures, versions, devices and time."""
    trainings = {
        f"{dataset}/{model}/seed{seed}": read_json(files.training_record(dataset, model, seed))
        for dataset, model, seed in (config.training.trainings if config.training else ())
    }
    return _gathered(files, config, trainings, ("evaluate.classification.tables", "train.tasks.classify", *SIMULATED))


def gather_twins(files: RunFiles, config: RunConfig) -> dict[str, Any]:
    """The same of the tables of twin networks."""
    trainings = {
        "/".join(map(str, (*training[:3], training.shape, f"seed{training.seed}"))): read_json(
            files.twin(*training[:3], training.shape, training.seed) / "training.json"
        )
        for training in (config.twins.trainings if config.twins else ())
    }
    return _gathered(files, config, trainings, ("evaluate.twin.tables", "train.tasks.embed", *SIMULATED))


def gather_simulated(files: RunFiles, config: RunConfig) -> dict[str, Any]:
    """The same of the patterns of a run that trains nothing."""
    return _gathered(files, config, {}, SIMULATED)


def origin(settings: Mapping[str, Any], *sources: str) -> dict[str, Any]:
    """What any result comes from, JSON-able: these modules, settings and the versions of libraries."""
    return {
        "source_digest": source_digest(*sources),
        "config_digest": json_digest(settings),
        "config": settings,
        "versions": versions(),
    }


def _gathered(
    files: RunFiles, config: RunConfig, trainings: Mapping[str, dict[str, Any]], sources: tuple[str, ...]
) -> dict[str, Any]:
    shown = ("id", "source", "file", "sha256", "title", "assembly", "is_phantom", "stand_in_for")
    settings = config.model_dump(mode="json")
    # Random molecules come by the hundred; how many there are says all of them.
    simulation = settings["simulation"]
    simulation["structures"] = [s for s in simulation["structures"] if not RANDOM.fullmatch(s["id"])]
    records = [read_json(files.structure(structure["id"])) for structure in simulation["structures"]]
    return {
        **circumstances(),
        **origin(settings, *sources),
        "structures": [
            # of a file where something was guessed or left out, what: see simulate/molecules/structures.py
            {key: record.get(key) for key in shown} | ({"reading": record["reading"]} if "reading" in record else {})
            for record in records
        ],
        "device": sorted({record["device"] for record in trainings.values()}),
        "training_seconds": {name: round(record["seconds"], 1) for name, record in trainings.items()},
        "wall_time_s": round(read_jobs(files.benchmarks)["wall_s"].sum(), 1),
    }
