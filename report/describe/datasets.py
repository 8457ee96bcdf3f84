"""What a dataset holds, in numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from frames.files import read_json, sha256
from frames.labels import SPLITS
from frames.store.dataset import Dataset
from report.describe.settings import settings, shift
from report.formatting import number, size
from simulate.experiment.config import DatasetConfig
from simulate.experiment.reach import reach_of


@dataclass(frozen=True)
class StructureFacts:
    """One structure of the run."""

    record: dict[str, Any]
    """structures/<id>.json"""
    volumes: dict[str, dict[str, Any]]
    """reach -> volumes/<reach>/<id>.json"""
    pixels_per_speckle: dict[str, float]
    """dataset -> width of a speckle, 1/diameter of the bounding sphere, in pixels; at least 2 is sampled"""
    photons_per_single_hit: dict[str, float]
    """dataset -> mean photons in a pattern of one particle, background included"""

    @property
    def measured_errors(self) -> list[float]:
        """Of its volumes."""
        return [volume["measured_error"] for volume in self.volumes.values()]

    @property
    def guesses(self) -> str:
        """What its file does not tell of itself, in words; empty for most."""
        reading, said = self.record.get("reading", {}), []
        if number := reading.get("elements_guessed"):
            said.append(f"elements of {number:,} atoms taken from their names")
        if models := reading.get("models"):
            said.append(f"{models['read']} of {models['in_file']} models in the file")
        if left_out := reading.get("pseudo_atoms_left_out"):
            said.append("left out as no atoms: " + ", ".join(f"{number:,} {name}" for name, number in left_out.items()))
        if number := reading.get("occupancies_assumed"):
            said.append(f"no occupancies given: all {number:,} atoms taken as there")
        if number := reading.get("coincident_atoms"):
            said.append(f"{number:,} atoms where another one lies")
        return "; ".join(said)


@dataclass(frozen=True)
class ClassFacts:
    """One class of a dataset."""

    patterns: dict[str, int]
    """split -> patterns"""
    photons: tuple[float, float, float]
    """5, 50 and 95 % quantiles of the photons in a pattern"""


@dataclass(frozen=True)
class DatasetFacts:
    """One dataset of the run: its card."""

    name: str
    folder: Path
    config: DatasetConfig
    experiment: dict[str, Any]
    """geometry.json"""
    fluence: float
    """without jitter, on the axis [photons/µm²]"""
    patterns: dict[str, int]
    """split -> patterns"""
    photons: tuple[float, float, float]
    """5, 50 and 95 % quantiles of the photons in a pattern"""
    classes: dict[str, dict[int, ClassFacts]]
    """structure, or none -> hit multiplicity -> what there is of it"""
    background: float
    """mean photons in a pattern that come from no particle"""
    live_pixels: int
    shards: int
    bytes: int
    described: dict[str, list[str | Markup]]
    """what a reader should know: name -> its parts"""
    like: str
    """of the datasets before it, that with the fewest differences; empty for the first"""
    differences: list[str | Markup]
    """from that one"""
    versions: dict[str, str]
    digest: str
    """sha256 of the card, which holds that of every shard"""


def _structure(files: RunFiles, structure: str, config: RunConfig, datasets: dict[str, Dataset]) -> StructureFacts:
    record = read_json(files.structure(structure))
    simulated = config.simulation
    reaches = sorted(
        {reach_of(dataset) for name, dataset in simulated.datasets.items() if structure in simulated.selected(name)}
    )
    extents = {name: read_json(files.geometry_record(name))["largest_sampled_extent_nm"] for name in datasets}
    return StructureFacts(
        record=record,
        volumes={reach: read_json(files.volume(structure, reach)) for reach in reaches},
        # Nyquist asks for two pixels per speckle: the largest extent that is sampled has just these.
        pixels_per_speckle={name: 2 * extent / (2 * record["radius_nm"]) for name, extent in extents.items()},
        photons_per_single_hit={
            name: photons[structure]
            for name, dataset in datasets.items()
            for photons in [photons_per_single_hit(dataset)]
            if structure in photons
        },
    )


def _dataset(files: RunFiles, dataset: Dataset, run: RunConfig) -> DatasetFacts:
    card, classes = dataset.card, dict[str, dict[int, ClassFacts]]()
    config, experiment = run.simulation.datasets[dataset.name], read_json(files.geometry_record(dataset.name))
    patterns = {split: rows.stop - rows.start for split, rows in dataset.splits.items()}
    low, median, high = card["photons_per_pattern"]["quantiles_5_50_95"]
    like, differences = _nearest(dataset.name, run)
    measured: dict[str, list[str | Markup]] = {
        "fluence (photons/µm²)": [
            number(config.peak_fluence) + (" on the axis" if config.beam.focus_profile == "gaussian" else "")
        ],
        "resolution": [
            Markup("{} nm at the edge, {} nm in the corner").format(
                number(experiment["resolution_edge_nm"]), number(experiment["resolution_corner_nm"])
            )
        ],
        "sampled at the Nyquist rate": [Markup("up to {} nm").format(number(experiment["largest_sampled_extent_nm"]))],
        "masked pixels": [f"{experiment['masked_pixels']:,} of {experiment['n_pixels'] ** 2:,}"],
        "patterns to train, validate, test on": [
            f"{patterns['train']:,} + {patterns['validation']:,} + {patterns['test']:,}"
        ],
        "photons per pattern: median (5 to 95 %)": [
            Markup("{} ({} to {})").format(number(median), number(low), number(high))
        ],
        "on disk": [size(card["bytes"])],
    }
    for entry in card["classes"]:
        classes.setdefault(entry["structure"], {})[entry["hit_multiplicity"]] = ClassFacts(
            {split: entry[split] for split in SPLITS}, tuple(entry["photons_quantiles_5_50_95"])
        )
    return DatasetFacts(
        name=dataset.name,
        folder=dataset.folder,
        config=config,
        experiment=experiment,
        fluence=config.peak_fluence,
        patterns=patterns,
        photons=(low, median, high),
        classes=classes,
        background=card["background_photons_per_pattern"],
        live_pixels=card["live_pixels"],
        shards=dataset.layout.n_shards,
        bytes=card["bytes"],
        described=settings(config, run.simulation.plan) | measured,
        like=like,
        differences=differences,
        versions=card["versions"],
        digest=sha256(files.card(dataset.name)),
    )


def _nearest(name: str, run: RunConfig) -> tuple[str, list[str | Markup]]:
    """The dataset before this one in the config that differs least from it, and in what; nothing for the first."""
    datasets = run.simulation.datasets
    before = list(datasets)[: list(datasets).index(name)]
    differences = {other: shift(datasets[name], datasets[other], run.simulation.plan) for other in before}
    nearest = min(differences, key=lambda other: len(differences[other]), default="")
    return nearest, differences.get(nearest, [])


def photons_per_single_hit(dataset: Dataset) -> dict[str, float]:
    """Structure -> mean photons in a pattern of one particle, background included; empty where no shot hit one."""
    return {
        entry["structure"]: entry["photons_mean"] for entry in dataset.card["classes"] if entry["hit_multiplicity"] == 1
    }
