"""What a report says, gathered from the files of a run. The one place that knows the fields of their records."""

from dataclasses import dataclass
from typing import Any

from evaluate.run.benchmarks import read_jobs
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import main_conditions
from evaluate.run.provenance import gather_simulated
from frames.files import read_json
from frames.store.dataset import open_dataset
from report.classification.comparisons import Variant, variants
from report.classification.photon_curve import PhotonCurve, photon_curve
from report.classification.reliability import Trust, trust
from report.classification.results import Result, Transfer, read_limits, read_results, read_transfers
from report.describe.datasets import DatasetFacts, StructureFacts, _dataset, _structure


@dataclass(frozen=True)
class Learned:
    """All of it."""

    results: list[Result]
    """one for each dataset trained on"""
    transfers: dict[str, list[Transfer]]
    """dataset trained on -> others that its models were asked about"""
    curve: PhotonCurve | None
    variants: list[Variant]

    def result(self, condition: str) -> Result:
        """What was learned from one dataset."""
        return next(result for result in self.results if result.dataset == condition)


def learned(files: RunFiles, config: RunConfig) -> Learned:
    """What a finished run learned from its datasets, if anything; FileNotFoundError names what the run lacks."""
    if config.training is None:
        return Learned([], {}, None, [])
    limits = read_limits(files, config)
    results, transfers = read_results(files, config, limits), read_transfers(files, config)
    return Learned(
        results=results,
        transfers=transfers,
        curve=photon_curve(files, config, results, [t for asked in transfers.values() for t in asked], limits),
        variants=variants(config.trained.models, results),
    )


SHOWN_ELSEWHERE = ("table", "columns", "config", "structures")
"""Of the provenance of a table."""


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
    learned: Learned
    trust: list[Trust]
    """of the main conditions"""
    provenance: dict[str, Any]
    """of tables/cnn.csv; of what is simulated alone, of the patterns"""
    jobs: list[Job]


def collect(files: RunFiles, config: RunConfig) -> Facts:
    """Everything a report says; FileNotFoundError names what the run lacks."""
    datasets = {name: open_dataset(files.dataset(name)) for name in config.simulation.datasets}
    trained = config.training is not None
    provenance = read_json(files.table("cnn").with_suffix(".json")) if trained else gather_simulated(files, config)
    found = learned(files, config)
    return Facts(
        structures=[_structure(files, s.id, config, datasets) for s in config.simulation.structures],
        datasets=[_dataset(files, dataset, config) for dataset in datasets.values()],
        learned=found,
        trust=trust(files, [found.result(name) for name in main_conditions(config)]) if trained else [],
        provenance={key: value for key, value in provenance.items() if key not in SHOWN_ELSEWHERE},
        jobs=_jobs(files),
    )


def _jobs(files: RunFiles) -> list[Job]:
    rules = read_jobs(files.benchmarks).groupby("rule", sort=False)["wall_s"]
    return [Job(str(rule), len(seconds), seconds.sum(), seconds.max()) for rule, seconds in rules]
