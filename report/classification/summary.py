"""What a report says, gathered from the files of a run. The one place that knows the fields of their records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evaluate.run.benchmarks import read_jobs
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import main_conditions
from evaluate.run.study import Study
from frames.files import read_json
from frames.store.dataset import open_dataset
from report.classification.comparisons import Variant, variants
from report.classification.photon_curve import PhotonCurve, photon_curve
from report.classification.reliability import Trust, trust
from report.classification.results import Result, Transfer, read_bayes_limits, read_results, read_transfers
from report.describe.datasets import DatasetFacts, StructureFacts, _dataset, _structure
from report.describe.published import PublishedTable, published_for


@dataclass(frozen=True)
class Learned:
    """All of it."""

    results: list[Result]
    """one for each dataset trained on"""
    transfers: dict[str, list[Transfer]]
    """dataset trained on -> others that its models were evaluated on"""
    curve: PhotonCurve | None
    variants: list[Variant]

    def result(self, condition: str) -> Result:
        """What was learned from one dataset."""
        return next(result for result in self.results if result.dataset == condition)


def learned(files: RunFiles, study: Study, published: Mapping[str, PublishedTable] | None = None) -> Learned:
    """What a finished run learned from its datasets, if anything; FileNotFoundError names what the run lacks.

    Parameters
    ----------
    published : dataset -> what others report of its like.
    """
    if study.training is None:
        return Learned([], {}, None, [])
    bayes_limits = read_bayes_limits(files, study)
    results, transfers = read_results(files, study, bayes_limits, published or {}), read_transfers(files, study)
    return Learned(
        results=results,
        transfers=transfers,
        curve=photon_curve(files, study, results, [t for asked in transfers.values() for t in asked], bayes_limits),
        variants=variants(study.trained.models, results),
    )


def published_tables(config: RunConfig) -> dict[str, PublishedTable]:
    """Dataset -> the table of the poster whose experiment it is; none of others."""
    numbers = config.simulation.plan.hit_multiplicities
    found = {
        name: published_for(dataset, len(config.simulation.selected(name)) * len(numbers))
        for name, dataset in config.simulation.datasets.items()
    }
    return {name: table for name, table in found.items() if table is not None}


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
class Simulated:
    """How the patterns of a run were made."""

    structures: list[StructureFacts]
    datasets: list[DatasetFacts]


@dataclass(frozen=True)
class Facts:
    """All of it, but for how the patterns were made."""

    learned: Learned
    trust: list[Trust]
    """of the main conditions"""
    provenance: dict[str, Any]
    """of tables/cnn.csv; of what is simulated alone, of the patterns"""
    jobs: list[Job]


def collect_simulated(files: RunFiles, config: RunConfig) -> Simulated:
    """What a page says of patterns; FileNotFoundError names what the run lacks."""
    datasets = {name: open_dataset(files.dataset(name)) for name in config.simulation.datasets}
    return Simulated(
        structures=[_structure(files, s.id, config, datasets) for s in config.simulation.structures],
        datasets=[_dataset(files, dataset, config) for dataset in datasets.values()],
    )


def collect(
    files: RunFiles,
    study: Study,
    published: Mapping[str, PublishedTable] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Facts:
    """What a page says of networks; FileNotFoundError names what the run lacks.

    Parameters
    ----------
    provenance : of the page, where it is not that of tables/cnn.csv.
    """
    found = learned(files, study, published)
    known = read_json(files.table("cnn").with_suffix(".json")) if provenance is None else provenance
    return Facts(
        learned=found,
        trust=trust(files, [found.result(name) for name in main_conditions(study)]) if study.training else [],
        provenance={key: value for key, value in known.items() if key not in SHOWN_ELSEWHERE},
        jobs=_jobs(files),
    )


def _jobs(files: RunFiles) -> list[Job]:
    rules = read_jobs(files.benchmarks).groupby("rule", sort=False)["wall_s"]
    return [Job(str(rule), len(seconds), seconds.sum(), seconds.max()) for rule, seconds in rules]
