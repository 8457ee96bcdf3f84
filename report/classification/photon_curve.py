"""Accuracy against photons per pulse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.table_files import read_table
from report.classification.results import Limit, Result, Transfer, learn_features
from report.classification.scores import ModelScores


@dataclass(frozen=True)
class Line:
    """One model at several numbers of photons."""

    model: str
    trained_on: str | None
    """None where it was trained at each of them anew"""
    points: dict[str, ModelScores]
    """dataset -> how it does there"""


@dataclass(frozen=True)
class PhotonCurve:
    """Accuracy against photons per pulse."""

    photons_per_pulse: dict[str, float]
    """dataset -> photons, in ascending order"""
    photons_per_single_hit: dict[str, float]
    """dataset -> mean photons in a pattern of one particle, over the structures"""
    networks: list[Line]
    baselines: list[Line]
    limits: dict[str, list[Limit]]


def photon_curve(
    files: RunFiles,
    config: RunConfig,
    results: Sequence[Result],
    transfers: Sequence[Transfer],
    limits: Mapping[str, list[Limit]],
) -> PhotonCurve | None:
    """Accuracy against photons per pulse; None where no curve is asked for."""
    photons = {name: config.simulation.datasets[name].photons_per_pulse for name in config.evaluation.photon_curve}
    levels = sorted(photons, key=lambda name: photons[name])
    if not levels:
        return None
    own = {result.dataset: result for result in results}
    at_each = [own[level] for level in levels if level in own]
    names = learn_features([*config.trained.models, *config.evaluation.ensembles])
    elsewhere: dict[tuple[str, str], dict[str, ModelScores]] = {}
    for transfer in transfers:
        for scores in transfer.models:
            if transfer.dataset in levels and scores.name in names:
                points = elsewhere.setdefault((scores.name, transfer.trained_on), {})
                points[transfer.dataset] = scores
                if transfer.trained_on in levels:
                    points[transfer.trained_on] = own[transfer.trained_on].of(scores.name)
    classes = read_table(files, "classes")
    single = classes[classes["hit_multiplicity"] == 1].groupby("dataset")["photons_mean"]
    in_single_hits = single.mean().to_dict()
    return PhotonCurve(
        photons_per_pulse={level: photons[level] for level in levels},
        photons_per_single_hit={level: in_single_hits[level] for level in levels if level in in_single_hits},
        networks=_lines([(result.dataset, scores) for result in at_each for scores in result.networks])
        + [
            Line(model, trained_on, {level: points[level] for level in levels if level in points})
            for (model, trained_on), points in elsewhere.items()
        ],
        baselines=_lines([(result.dataset, scores) for result in at_each for scores in result.baselines]),
        limits={level: limits[level] for level in levels if level in limits},
    )


def _lines(points: Sequence[tuple[str, ModelScores]]) -> list[Line]:
    """A line for every model, from its points (dataset, scores)."""
    lines: dict[str, Line] = {}
    for dataset, scores in points:
        lines.setdefault(scores.name, Line(scores.name, None, {})).points[dataset] = scores
    return list(lines.values())
