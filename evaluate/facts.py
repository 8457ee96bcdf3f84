"""What a report says, gathered from the files of a run. The one place that knows the fields of their records."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate import metrics
from evaluate.config import RunConfig
from evaluate.metrics import Accuracies
from evaluate.predictions import asked_of, read_predictions
from evaluate.provenance import job_seconds
from evaluate.run_files import RunFiles
from evaluate.tables import BASELINE_SEED, per_class
from simulate.config import NO_STRUCTURE
from simulate.dataset import Dataset, open_dataset
from simulate.experiment import DatasetConfig
from simulate.files import read_json, sha256
from simulate.plan import SPLITS
from simulate.reach import reach_of

SMALLEST_MISTAKE = 0.05
"""Share of a label's patterns that an answer must take to be listed as a mistake."""

MISTAKES_LISTED = 4

SHOWN_ELSEWHERE = ("table", "columns", "config", "structures")
"""Of the provenance of a table."""


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
    versions: dict[str, str]
    digest: str
    """sha256 of the card, which holds that of every shard"""


@dataclass(frozen=True)
class Score:
    """One row of tables/cnn.csv."""

    seed: int
    accuracies: Accuracies
    interval: tuple[float, float]
    """95 %, of the test accuracy"""
    collapsed: tuple[str, ...] = ()
    """heads that give every test pattern the same answer"""


@dataclass(frozen=True)
class Mistake:
    """One answer that is often given in place of another."""

    truth: str
    answer: str
    share: float
    """of the patterns that are `truth`"""


@dataclass(frozen=True)
class Network:
    """One network on one dataset."""

    name: str
    scores: list[Score]
    """one per seed; what follows is of the first"""
    mistakes: dict[str, list[Mistake]]
    """head -> its most frequent mistakes"""
    recall: dict[str, dict[int, float]]
    """structure, or none -> hit multiplicity -> share of the class with both answers right"""
    particle_recall: dict[str, float]
    particle_precision: dict[str, float]
    seconds: float
    """of all trainings"""

    @property
    def mean(self) -> Accuracies:
        """Mean over the seeds."""
        rows = pd.DataFrame([asdict(score.accuracies) for score in self.scores])
        return Accuracies(**rows.mean().to_dict())

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest test accuracy of the seeds."""
        values = [score.accuracies.test_accuracy for score in self.scores]
        return min(values), max(values)

    @property
    def collapsed(self) -> int:
        """Trainings with a head that gives every test pattern the same answer."""
        return sum(bool(score.collapsed) for score in self.scores)


@dataclass(frozen=True)
class Result:
    """What was learned from one dataset."""

    condition: str
    n_train: int
    n_test: int
    networks: list[Network]
    baselines: dict[str, Score]

    @property
    def best(self) -> Network:
        """The network of highest mean test accuracy."""
        return max(self.networks, key=lambda network: network.mean.test_accuracy)


@dataclass(frozen=True)
class Job:
    """What the jobs of one rule of the workflow took."""

    rule: str
    n: int
    seconds: float
    longest: float


@dataclass(frozen=True)
class Facts:
    """All of it."""

    structures: list[StructureFacts]
    datasets: list[DatasetFacts]
    results: list[Result]
    provenance: dict[str, Any]
    """of tables/cnn.csv"""
    jobs: list[Job]

    def pixels_per_speckle(self, dataset: str) -> list[float]:
        """Of each structure, under one condition."""
        return [structure.pixels_per_speckle[dataset] for structure in self.structures]


def collect(files: RunFiles, config: RunConfig) -> Facts:
    """Everything a report says; FileNotFoundError names what the run lacks."""
    datasets = {name: open_dataset(files.dataset(name)) for name in config.simulation.datasets}
    provenance = read_json(files.table("cnn").with_suffix(".json"))
    return Facts(
        structures=[_structure(files, s.id, config, datasets) for s in config.simulation.structures],
        datasets=[_dataset(files, dataset, config.simulation.datasets[name]) for name, dataset in datasets.items()],
        results=[_result(files, config, datasets[condition]) for condition in config.training.datasets],
        provenance={key: value for key, value in provenance.items() if key not in SHOWN_ELSEWHERE},
        jobs=_jobs(files),
    )


def _structure(files: RunFiles, structure: str, config: RunConfig, datasets: dict[str, Dataset]) -> StructureFacts:
    record = read_json(files.structure(structure))
    reaches = sorted({reach_of(dataset) for dataset in config.simulation.datasets.values()})
    extents = {name: read_json(files.geometry_record(name))["largest_sampled_extent_nm"] for name in datasets}
    single = {"structure": structure, "hit_multiplicity": 1}
    return StructureFacts(
        record=record,
        volumes={reach: read_json(files.volume(structure, reach)) for reach in reaches},
        # Nyquist asks for two pixels per speckle: the largest extent that is sampled has just these.
        pixels_per_speckle={name: 2 * extent / (2 * record["radius_nm"]) for name, extent in extents.items()},
        photons_per_single_hit={
            name: entry["photons_mean"]
            for name, dataset in datasets.items()
            for entry in dataset.card["classes"]
            if single.items() <= entry.items()
        },
    )


def _dataset(files: RunFiles, dataset: Dataset, config: DatasetConfig) -> DatasetFacts:
    card, classes = dataset.card, dict[str, dict[int, ClassFacts]]()
    for entry in card["classes"]:
        classes.setdefault(entry["structure"], {})[entry["hit_multiplicity"]] = ClassFacts(
            {split: entry[split] for split in SPLITS}, tuple(entry["photons_quantiles_5_50_95"])
        )
    return DatasetFacts(
        name=dataset.name,
        folder=dataset.folder,
        config=config,
        experiment=read_json(files.geometry_record(dataset.name)),
        fluence=config.peak_fluence,
        patterns={split: rows.stop - rows.start for split, rows in dataset.splits.items()},
        photons=tuple(card["photons_per_pattern"]["quantiles_5_50_95"]),
        classes=classes,
        background=card["background_photons_per_pattern"],
        live_pixels=card["live_pixels"],
        shards=dataset.layout.n_shards,
        bytes=card["bytes"],
        versions=card["versions"],
        digest=sha256(files.card(dataset.name)),
    )


def _result(files: RunFiles, config: RunConfig, dataset: Dataset) -> Result:
    names = {"condition": str, "model": str}
    table = pd.read_csv(files.table("cnn"), dtype=names).set_index(["condition", "model", "seed"]).loc[dataset.name]
    first = table.iloc[0]
    return Result(
        condition=dataset.name,
        n_train=int(first["n_train"]),
        n_test=int(first["n_test"]),
        networks=[_network(files, config, dataset, model, table) for model in config.training.models],
        baselines={name: _score(table, name, BASELINE_SEED) for name in ("total_intensity", "majority")},
    )


def _network(files: RunFiles, config: RunConfig, dataset: Dataset, model: str, table: pd.DataFrame) -> Network:
    seeds = config.training.seeds
    answers = {seed: read_predictions(files.predictions(dataset.name, model, seed)) for seed in seeds}
    shown = answers[seeds[0]]
    labels: dict[str, Sequence[Any]] = {
        "structure": dataset.structures,
        "hit_multiplicity": dataset.hit_multiplicities,
    }
    matrices = {
        column: metrics.confusion(asked[column].to_numpy(), asked[f"predicted_{column}"].to_numpy(), known)
        for column, known in labels.items()
        for asked in [asked_of(shown, column)]
    }
    recall: dict[str, dict[int, float]] = {}
    for row in per_class(shown).itertuples():
        recall.setdefault(row.structure, {})[row.hit_multiplicity] = row.recall
    return Network(
        name=model,
        scores=[_score(table, model, seed, _collapsed(predictions)) for seed, predictions in answers.items()],
        mistakes={column: _mistakes(matrices[column], known) for column, known in labels.items()},
        recall={name: recall[name] for name in (*dataset.structures, NO_STRUCTURE) if name in recall},
        particle_recall=dict(zip(dataset.structures, metrics.recall(matrices["structure"]), strict=True)),
        particle_precision=dict(zip(dataset.structures, metrics.precision(matrices["structure"]), strict=True)),
        seconds=sum(pd.read_csv(files.history(dataset.name, model, seed))["seconds"].sum() for seed in seeds),
    )


def _score(table: pd.DataFrame, model: str, seed: int, collapsed: tuple[str, ...] = ()) -> Score:
    row = table.loc[(model, seed)]
    accuracies = Accuracies(**{field.name: float(row[field.name]) for field in fields(Accuracies)})
    interval = metrics.wilson_interval(accuracies.test_accuracy, int(row["n_test"]))
    return Score(seed, accuracies, interval, collapsed)


def _collapsed(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Heads that give one answer to patterns that differ."""
    heads = {"count": "hit_multiplicity", "particle": "structure"}
    return tuple(
        head
        for head, column in heads.items()
        for asked in [asked_of(predictions, column)]
        if asked[f"predicted_{column}"].nunique() == 1 < asked[column].nunique()
    )


def _mistakes(matrix: NDArray[np.int64], labels: Sequence[Any]) -> list[Mistake]:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    worst = sorted(np.argwhere(share >= SMALLEST_MISTAKE).tolist(), key=lambda at: -share[tuple(at)])
    return [
        Mistake(str(labels[truth]), str(labels[answer]), float(share[truth, answer]))
        for truth, answer in worst[:MISTAKES_LISTED]
    ]


def _jobs(files: RunFiles) -> list[Job]:
    rules = job_seconds(files).groupby("rule", sort=False)["seconds"]
    return [Job(str(rule), len(seconds), seconds.sum(), seconds.max()) for rule, seconds in rules]
