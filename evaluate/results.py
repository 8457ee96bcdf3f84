"""What the networks of a run learned, dataset by dataset, gathered from its tables and predictions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate import metrics
from evaluate.config import MAJORITY, RunConfig
from evaluate.contents import BASELINE_SEED, OURS, networks
from evaluate.predictions import asked_of, read_predictions
from evaluate.published import PublishedTable, published_for
from evaluate.run_files import RunFiles
from evaluate.tables import per_class
from simulate.config import NO_STRUCTURE
from simulate.dataset import Dataset
from simulate.files import read_json
from train.config import ModelConfig

QUESTIONS = {
    "test_accuracy": "both right",
    "count_accuracy": "number of particles",
    "particle_accuracy": "structure",
    "single_hit_accuracy": "single or multiple hit",
    "lone_accuracy": "structure of a single hit",
}
"""What accuracies are of. `lone_accuracy` is the particle accuracy of single hits alone, the others the tables have."""

HEADS = {"count": "hit_multiplicity", "particle": "structure"}
"""Head -> the column of predictions that it answers."""

FEATURE_NETWORKS = frozenset({"azimuthal"})
"""Trained as networks are, but on features chosen by hand: baselines."""

SMALLEST_MISTAKE = 0.05
"""Share of a label's patterns that an answer must take to be listed as a mistake."""

MISTAKES_LISTED = 4


@dataclass(frozen=True)
class Score:
    """How often one training, or one baseline, is right."""

    seed: int
    accuracies: Mapping[str, float]
    """by question"""
    interval: tuple[float, float]
    """95 %, of the test accuracy"""
    collapsed: tuple[str, ...] = ()
    """heads that give every test pattern the same answer"""


@dataclass(frozen=True)
class Judged:
    """A network, or a baseline, trained on one dataset and asked about that or another one."""

    name: str
    scores: Sequence[Score]
    """one per seed"""

    @property
    def mean(self) -> dict[str, float]:
        """Mean over the seeds, by question."""
        return {
            question: float(np.mean([score.accuracies[question] for score in self.scores])) for question in QUESTIONS
        }

    @property
    def deviation(self) -> dict[str, float]:
        """Standard deviation of one seed about that mean, by question; NaN where there is but one seed."""
        if len(self.scores) < 2:
            return dict.fromkeys(QUESTIONS, math.nan)
        return {q: float(np.std([score.accuracies[q] for score in self.scores], ddof=1)) for q in QUESTIONS}

    def range(self, question: str = "test_accuracy") -> tuple[float, float]:
        """Lowest and highest of the seeds."""
        values = [score.accuracies[question] for score in self.scores]
        return min(values), max(values)

    @property
    def seeds(self) -> list[int]:
        """Of the trainings."""
        return [score.seed for score in self.scores]

    @property
    def collapsed(self) -> int:
        """Trainings with a head that gives every test pattern the same answer."""
        return sum(bool(score.collapsed) for score in self.scores)


def most_accurate(networks: Sequence[Judged]) -> Judged:
    """The one of highest mean test accuracy."""
    return max(networks, key=lambda network: network.mean["test_accuracy"])


@dataclass(frozen=True)
class Training:
    """What it took to train a model on one dataset, or all that answer in an ensemble."""

    parameters: int
    seconds: float
    """of all seeds"""


@dataclass(frozen=True)
class Mistake:
    """One answer that is often given in place of another."""

    truth: str
    answer: str
    share: float
    """of the patterns that are `truth`"""


@dataclass(frozen=True)
class Classes:
    """What one training answers, class by class."""

    model: str
    seed: int
    mistakes: dict[str, list[Mistake]]
    """structure, hit_multiplicity -> the most frequent mistakes"""
    recall: dict[str, dict[int, float]]
    """structure, or none -> hit multiplicity -> share of the class with both answers right"""
    particle_recall: dict[str, float]
    particle_precision: dict[str, float]


@dataclass(frozen=True)
class Limit:
    """How often the structure of a single hit can be told at all."""

    fluence: Literal["known", "unknown"]
    accuracy: float
    standard_error: float
    n_patterns: int
    orientations: int
    """per structure"""
    coarser: tuple[int, float] | None
    """the next smaller number of orientations, and the accuracy with it"""


@dataclass(frozen=True)
class Result:
    """What was learned from one dataset."""

    condition: str
    n_train: int
    n_test: int
    networks: list[Judged]
    baselines: list[Judged]
    """networks on features chosen by hand first, the majority last"""
    trainings: dict[str, Training]
    """model -> its cost; none of baselines that are no networks"""
    classes: Classes
    """of the best network's first seed"""
    published: PublishedTable | None
    limits: list[Limit]

    @property
    def best(self) -> Judged:
        """The network of highest mean test accuracy."""
        return most_accurate(self.networks)

    @property
    def judged(self) -> list[Judged]:
        """Networks, then baselines."""
        return [*self.networks, *self.baselines]

    def of(self, model: str) -> Judged:
        """One of them."""
        return next(judged for judged in self.judged if judged.name == model)

    @property
    def strongest(self) -> Judged:
        """The baseline of highest mean test accuracy."""
        return max(self.baselines, key=lambda baseline: baseline.mean["test_accuracy"])


@dataclass(frozen=True)
class Transfer:
    """Everything trained on one dataset, asked about another."""

    trained_on: str
    condition: str
    n_test: int
    majority: float
    models: list[Judged]

    def of(self, model: str) -> Judged:
        """One of them."""
        return next(judged for judged in self.models if judged.name == model)

    def strongest_of(self, baselines: Sequence[Judged]) -> Judged | None:
        """Of these baselines, asked about the other dataset, the one of highest mean test accuracy."""
        here = [judged for judged in self.models if judged.name in {baseline.name for baseline in baselines}]
        return max(here, key=lambda judged: judged.mean["test_accuracy"], default=None)


@dataclass(frozen=True)
class Line:
    """One model at several numbers of photons."""

    model: str
    trained_on: str | None
    """None where it was trained at each of them anew"""
    points: dict[str, Judged]
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


@dataclass(frozen=True)
class Difference:
    """Of two mean test accuracies."""

    value: float
    standard_error: float
    """from the seeds; NaN where one of the two has but one"""


@dataclass(frozen=True)
class Variant:
    """A model that shares its network, or its recipe, with another one."""

    model: str
    against: str
    differences: dict[str, Difference]
    """dataset that both were trained on -> model less the other"""


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
        return next(result for result in self.results if result.condition == condition)


def learned(files: RunFiles, config: RunConfig, datasets: Mapping[str, Dataset]) -> Learned:
    """What a finished run learned from its datasets; FileNotFoundError names what the run lacks."""
    results, transfers = _results(files, config, datasets), _transfers(files, config)
    return Learned(
        results=results,
        transfers=transfers,
        curve=_photon_curve(files, config, datasets, results, [t for asked in transfers.values() for t in asked]),
        variants=variants(config.trained.models, results),
    )


def read_table(files: RunFiles, name: str) -> pd.DataFrame:
    """A table of the run; FileNotFoundError."""
    text = ("dataset", "condition", "trained_on", "model", "structure")
    return pd.read_csv(files.table(name), dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])


def _results(files: RunFiles, config: RunConfig, datasets: Mapping[str, Dataset]) -> list[Result]:
    """What was learned, for each dataset that was trained on."""
    table = _with_lone(read_table(files, "cnn"), read_table(files, "per_class"))
    limits = _limits(files, config)
    return [
        _result(files, config, datasets[condition], table[table["condition"] == condition], limits.get(condition, []))
        for condition in config.trained.conditions
    ]


def _transfers(files: RunFiles, config: RunConfig) -> dict[str, list[Transfer]]:
    """How what was trained on one dataset does on others; none where none is asked for."""
    asked = {trained_on: others for trained_on, others in config.evaluation.transfers.items() if others}
    if not asked:
        return {}
    table = read_table(files, "generalisation")
    table["lone_accuracy"] = [
        _lone(per_class(read_predictions(files.predictions(row.trained_on, row.model, row.seed, row.condition))))
        for row in table.itertuples()
    ]
    by_pair = dict(iter(table.groupby(["trained_on", "condition"])))
    return {
        trained_on: [
            Transfer(
                trained_on=trained_on,
                condition=condition,
                n_test=int(rows["n_test"].iloc[0]),
                majority=float(rows["majority_accuracy"].iloc[0]),
                models=_judged(rows),
            )
            for condition in others
            for rows in [by_pair[trained_on, condition]]
        ]
        for trained_on, others in asked.items()
    }


def _photon_curve(
    files: RunFiles,
    config: RunConfig,
    datasets: Mapping[str, Dataset],
    results: Sequence[Result],
    transfers: Sequence[Transfer],
) -> PhotonCurve | None:
    """Accuracy against photons per pulse; None where no curve is asked for."""
    photons = {name: config.simulation.datasets[name].photons_per_pulse for name in config.evaluation.photon_curve}
    levels = sorted(photons, key=lambda name: photons[name])
    if not levels:
        return None
    own = {result.condition: result for result in results}
    at_each = [own[level] for level in levels if level in own]
    names = _networks([*config.trained.models, *config.evaluation.ensembles])
    elsewhere: dict[tuple[str, str], dict[str, Judged]] = {}
    for transfer in transfers:
        for judged in transfer.models:
            if transfer.condition in levels and judged.name in names:
                points = elsewhere.setdefault((judged.name, transfer.trained_on), {})
                points[transfer.condition] = judged
                if transfer.trained_on in levels:
                    points[transfer.trained_on] = own[transfer.trained_on].of(judged.name)
    limits = _limits(files, config)
    in_single_hits = {level: photons_per_single_hit(datasets[level]).values() for level in levels}
    return PhotonCurve(
        photons_per_pulse={level: photons[level] for level in levels},
        photons_per_single_hit={level: float(np.mean(list(hits))) for level, hits in in_single_hits.items() if hits},
        networks=_lines([(result.condition, judged) for result in at_each for judged in result.networks])
        + [
            Line(model, trained_on, {level: points[level] for level in levels if level in points})
            for (model, trained_on), points in elsewhere.items()
        ],
        baselines=_lines([(result.condition, judged) for result in at_each for judged in result.baselines]),
        limits={level: limits[level] for level in levels if level in limits},
    )


def photons_per_single_hit(dataset: Dataset) -> dict[str, float]:
    """Structure -> mean photons in a pattern of one particle, background included; empty where no shot hit one."""
    return {
        entry["structure"]: entry["photons_mean"] for entry in dataset.card["classes"] if entry["hit_multiplicity"] == 1
    }


def variants(models: Mapping[str, ModelConfig], results: Sequence[Result]) -> list[Variant]:
    """Models of one network by several recipes, each against `ours`, the model of that name, or else the best of them.

    Other networks by the recipe of `ours` are variants of it too, unless all models share that recipe.
    """
    pairs = []
    for network in dict.fromkeys(model.network for model in models.values()):
        group = [name for name, model in models.items() if model.network == network]
        against = OURS if OURS in group else max(group, key=lambda name: _mean_of(name, results))
        pairs += [(name, against) for name in group if name != against]
    if OURS in models and any(model.recipe != models[OURS].recipe for model in models.values()):
        alike = [name for name, model in models.items() if model.recipe == models[OURS].recipe]
        pairs += [(name, OURS) for name in alike if models[name].network != models[OURS].network]
    found = [Variant(*pair, _differences(*pair, results)) for pair in pairs]
    return [variant for variant in found if variant.differences]


def _mean_of(model: str, results: Sequence[Result]) -> float:
    """Test accuracy of a model over all that it was trained on."""
    known = [judged.mean["test_accuracy"] for result in results for judged in result.judged if judged.name == model]
    return float(np.mean(known))


def _differences(model: str, against: str, results: Sequence[Result]) -> dict[str, Difference]:
    found = {}
    for result in results:
        if {model, against} <= {judged.name for judged in result.judged}:
            ours, theirs = result.of(model), result.of(against)
            variance = sum(one.deviation["test_accuracy"] ** 2 / len(one.scores) for one in (ours, theirs))
            value = ours.mean["test_accuracy"] - theirs.mean["test_accuracy"]
            found[result.condition] = Difference(value, math.sqrt(variance))
    return found


def confusions(predictions: pd.DataFrame, dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """Head's column -> how often each label (row) was given each answer (column), of those that are asked for it."""
    known: dict[str, Sequence[Any]] = {"structure": dataset.structures, "hit_multiplicity": dataset.hit_multiplicities}
    return {
        column: metrics.confusion(asked[column].to_numpy(), asked[f"predicted_{column}"].to_numpy(), labels)
        for column, labels in known.items()
        for asked in [asked_of(predictions, column)]
    }


def class_matrix(
    predictions: pd.DataFrame, structures: Sequence[str], hit_multiplicities: Sequence[int]
) -> NDArray[np.int64]:
    """(k, k) how often each class with a particle (row) was given each of them as the answer (column).

    Ordered by structure, then by hit multiplicity. Patterns of no particle, or taken for such, are left out.
    """
    shown = predictions[(predictions["hit_multiplicity"] > 0) & (predictions["predicted_hit_multiplicity"] > 0)]
    classes = [f"{structure} {n}" for structure in structures for n in hit_multiplicities]
    truth, given = (
        (shown[f"{prefix}structure"] + " " + shown[f"{prefix}hit_multiplicity"].astype(str)).to_numpy(str)
        for prefix in ("", "predicted_")
    )
    return metrics.confusion(truth, given, classes)


def _networks(names: Sequence[str]) -> list[str]:
    """Those that learn their own features; all where none does."""
    return [name for name in names if name not in FEATURE_NETWORKS] or list(names)


def _result(files: RunFiles, config: RunConfig, dataset: Dataset, table: pd.DataFrame, limits: list[Limit]) -> Result:
    trained = networks(config, dataset.name)
    baselines = [(name, BASELINE_SEED) for name in (*config.evaluation.baselines, MAJORITY)]
    table = table.set_index(["model", "seed"]).loc[[*trained, *baselines]].reset_index()
    answers = {one: read_predictions(files.predictions(dataset.name, *one)) for one in trained}
    judged = _judged(table, {one: _collapsed(predictions) for one, predictions in answers.items()})
    models = list(dict.fromkeys(model for model, _ in trained))
    names = _networks(models)
    learned = [one for one in judged if one.name in names]
    best = most_accurate(learned)
    return Result(
        condition=dataset.name,
        n_train=int(table["n_train"].iloc[0]),
        n_test=int(table["n_test"].iloc[0]),
        networks=learned,
        baselines=[one for one in judged if one.name not in names],
        trainings={
            model: _training(files, dataset.name, [members for (name, _), members in trained.items() if name == model])
            for model in models
        },
        classes=_classes(best, answers[best.name, best.seeds[0]], dataset),
        published=published_for(config.simulation.datasets[dataset.name]),
        limits=limits,
    )


def _training(files: RunFiles, condition: str, answering: Sequence[Sequence[tuple[str, int]]]) -> Training:
    """Of a network from each seed, or of an ensemble: the trainings that answer together, each time."""
    records = [[read_json(files.training_record(condition, *one)) for one in members] for members in answering]
    seconds = sum(record["seconds"] for members in records for record in members)
    return Training(sum(record["n_parameters"] for record in records[0]), seconds)


def _judged(table: pd.DataFrame, collapsed: Mapping[tuple[str, int], tuple[str, ...]] | None = None) -> list[Judged]:
    """One for every model in the rows of a table, in their order."""
    return [
        Judged(
            str(model),
            [
                Score(
                    seed=int(row["seed"]),
                    accuracies={question: float(row[question]) for question in QUESTIONS},
                    interval=metrics.wilson_interval(float(row["test_accuracy"]), int(row["n_test"])),
                    collapsed=(collapsed or {}).get((str(model), int(row["seed"])), ()),
                )
                for _, row in rows.iterrows()
            ],
        )
        for model, rows in table.groupby("model", sort=False)
    ]


def _with_lone(table: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """cnn.csv with the particle accuracy of single hits; NaN where nothing is known of it, as of the majority."""
    keys = ["condition", "model", "seed"]
    lone = {key: _lone(rows) for key, rows in classes.groupby(keys)}
    return table.assign(lone_accuracy=[lone.get(tuple(key), math.nan) for key in table[keys].itertuples(index=False)])


def _lone(classes: pd.DataFrame) -> float:
    """Particle accuracy of the single hits, from rows of per_class.csv; NaN where there are none."""
    single = classes[classes["hit_multiplicity"] == 1]
    return float(np.average(single["particle_recall"], weights=single["n"])) if len(single) else math.nan


def _collapsed(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Heads that give one answer to patterns that differ."""
    return tuple(
        head
        for head, column in HEADS.items()
        for asked in [asked_of(predictions, column)]
        if asked[f"predicted_{column}"].nunique() == 1 < asked[column].nunique()
    )


def _classes(judged: Judged, predictions: pd.DataFrame, dataset: Dataset) -> Classes:
    matrices = confusions(predictions, dataset)
    recall: dict[str, dict[int, float]] = {}
    for row in per_class(predictions).itertuples():
        recall.setdefault(row.structure, {})[row.hit_multiplicity] = row.recall
    return Classes(
        model=judged.name,
        seed=judged.seeds[0],
        mistakes={
            "structure": _mistakes(matrices["structure"], dataset.structures),
            "hit_multiplicity": _mistakes(matrices["hit_multiplicity"], dataset.hit_multiplicities),
        },
        recall={name: recall[name] for name in (*dataset.structures, NO_STRUCTURE) if name in recall},
        particle_recall=dict(zip(dataset.structures, metrics.recall(matrices["structure"]), strict=True)),
        particle_precision=dict(zip(dataset.structures, metrics.precision(matrices["structure"]), strict=True)),
    )


def _mistakes(matrix: NDArray[np.int64], labels: Sequence[Any]) -> list[Mistake]:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    worst = sorted(np.argwhere(share >= SMALLEST_MISTAKE).tolist(), key=lambda at: -share[tuple(at)])
    return [
        Mistake(str(labels[truth]), str(labels[answer]), float(share[truth, answer]))
        for truth, answer in worst[:MISTAKES_LISTED]
    ]


def _limits(files: RunFiles, config: RunConfig) -> dict[str, list[Limit]]:
    """Dataset -> its limits, of the most orientations that were tried; none where none is asked for."""
    if config.evaluation.limits is None:
        return {}
    found: dict[str, list[Limit]] = {}
    for (condition, fluence), rows in read_table(files, "limit").groupby(["condition", "fluence"], sort=False):
        *coarser, finest = rows.sort_values("orientations").itertuples()
        found.setdefault(condition, []).append(
            Limit(
                fluence=fluence,
                accuracy=finest.particle_accuracy,
                standard_error=finest.standard_error,
                n_patterns=int(finest.n_patterns),
                orientations=int(finest.orientations),
                coarser=(int(coarser[-1].orientations), coarser[-1].particle_accuracy) if coarser else None,
            )
        )
    return found


def _lines(points: Sequence[tuple[str, Judged]]) -> list[Line]:
    """A line for every model, from its points (dataset, judged)."""
    lines: dict[str, Line] = {}
    for dataset, judged in points:
        lines.setdefault(judged.name, Line(judged.name, None, {})).points[dataset] = judged
    return list(lines.values())
