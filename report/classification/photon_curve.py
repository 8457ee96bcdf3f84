"""Accuracy against photons per pulse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluate.run.files import RunFiles
from evaluate.run.study import Study
from evaluate.table_files import read_table
from report.classification.results import BayesLimit, Result, Transfer, learn_features
from report.classification.scores import ModelScores
from report.describe.questions import JOINT, Question, asked_questions, words


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
    """dataset -> mean photons in a pattern of the class that is kept: of one particle, over the structures"""
    networks: list[Line]
    baselines: list[Line]
    bayes_limits: dict[str, list[BayesLimit]]
    questions: Sequence[Question] = (JOINT,)
    """that it is drawn of"""
    in_one: str = "a single hit"
    """what a pattern of the class that is kept is called"""


def photon_curve(
    files: RunFiles,
    study: Study,
    results: Sequence[Result],
    transfers: Sequence[Transfer],
    bayes_limits: Mapping[str, list[BayesLimit]],
) -> PhotonCurve | None:
    """Accuracy against photons per pulse; None where no curve is asked for."""
    photons = study.photons_per_pulse
    levels = sorted(study.evaluation.photon_curve, key=lambda name: photons[name])
    if not levels:
        return None
    own = {result.dataset: result for result in results}
    at_each = [own[level] for level in levels if level in own]
    names = learn_features([*study.trained.models, *study.evaluation.ensembles])
    elsewhere: dict[tuple[str, str], dict[str, ModelScores]] = {}
    for transfer in transfers:
        for scores in transfer.models:
            if transfer.dataset in levels and scores.name in names:
                points = elsewhere.setdefault((scores.name, transfer.trained_on), {})
                points[transfer.dataset] = scores
                if transfer.trained_on in levels:
                    points[transfer.trained_on] = own[transfer.trained_on].of(scores.name)
    asked = study.all_targets
    kept = next((target for target in asked if target.kept is not None), None)
    in_single_hits: dict[str, float] = {}
    if kept is not None:
        classes = read_table(files, "classes")
        in_single_hits = classes[classes[kept.name] == kept.kept].groupby("dataset")["photons_mean"].mean().to_dict()
    return PhotonCurve(
        photons_per_pulse={level: photons[level] for level in levels},
        photons_per_single_hit={level: in_single_hits[level] for level in levels if level in in_single_hits},
        networks=_lines([(result.dataset, scores) for result in at_each for scores in result.networks])
        + [
            Line(model, trained_on, {level: points[level] for level in levels if level in points})
            for (model, trained_on), points in elsewhere.items()
        ],
        baselines=_lines([(result.dataset, scores) for result in at_each for scores in result.baselines]),
        bayes_limits={level: bayes_limits[level] for level in levels if level in bayes_limits},
        questions=(JOINT, *asked_questions(asked)),
        in_one="" if kept is None else words(kept).one,
    )


def _lines(points: Sequence[tuple[str, ModelScores]]) -> list[Line]:
    """A line for every model, from its points (dataset, scores)."""
    lines: dict[str, Line] = {}
    for dataset, scores in points:
        lines.setdefault(scores.name, Line(scores.name, None, {})).points[dataset] = scores
    return list(lines.values())
