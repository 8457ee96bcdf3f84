"""How far the answers of a run's models can be trusted, gathered from the tables calibration and selection."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from evaluate.run.files import RunFiles
from evaluate.table_files import read_table
from report.classification.results import FEATURE_NETWORKS, Result
from report.classification.scores import most_accurate
from report.describe.published import TABLE_1


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold keeps that was chosen for a purity, means over the seeds that have one."""

    question: str
    """target of which one class is kept"""
    target: float
    """purity asked for"""
    purity: float
    found: float
    """yield: share of the patterns of that class that are kept"""
    seeds: int
    """that have such a threshold"""


@dataclass(frozen=True)
class Trusted:
    """One model on one dataset; means over its seeds."""

    model: str
    seeds: int
    errors: dict[str, tuple[float, float]]
    """target -> expected calibration error as trained, and at the temperature of the validation split"""
    temperatures: dict[str, float]
    """target -> that temperature"""
    points: list[OperatingPoint]


@dataclass(frozen=True)
class Trust:
    """All models on one dataset."""

    dataset: str
    fractions: dict[str, float]
    """target of which one class is kept -> share of that class in the test patterns"""
    models: list[Trusted]


def drawn_models(result: Result) -> list[str]:
    """The best network, the best of the poster's and those on features chosen by hand, where they are there."""
    posters = [network for network in result.networks if network.name in TABLE_1.rows]
    best_of_posters = [most_accurate(posters)] if posters else []
    by_hand = [scores for scores in result.models if scores.name in FEATURE_NETWORKS]
    return list(dict.fromkeys(scores.name for scores in (result.best, *best_of_posters, *by_hand)))


def trust(files: RunFiles, results: Sequence[Result]) -> list[Trust]:
    """How far the models trained on these datasets can be trusted."""
    calibration, selection = (read_table(files, name) for name in ("calibration", "selection"))
    found = []
    for result in results:
        heads, points = (table[table["dataset"] == result.dataset] for table in (calibration, selection))
        models = [scores.name for scores in result.models if scores.name in set(heads["model"])]
        rows = [_trusted(name, heads[heads["model"] == name], points[points["model"] == name]) for name in models]
        shares = points.groupby("target", sort=False)["single_fraction"].mean()
        found.append(Trust(result.dataset, {str(name): float(share) for name, share in shares.items()}, rows))
    return found


def _trusted(model: str, heads: pd.DataFrame, points: pd.DataFrame) -> Trusted:
    means = heads.groupby("target", sort=False)[["ece_before", "ece_after", "temperature"]].mean()
    return Trusted(
        model=model,
        seeds=heads["seed"].nunique(),
        errors={str(target): (row["ece_before"], row["ece_after"]) for target, row in means.iterrows()},
        temperatures={str(target): row["temperature"] for target, row in means.iterrows()},
        points=[
            OperatingPoint(
                str(question),
                float(purity),
                rows["purity"].mean(),
                rows["yield"].mean(),
                int(rows["threshold"].count()),
            )
            for question, of_it in points.groupby("target", sort=False)
            for purity, rows in of_it.groupby("target_purity")
        ],
    )
