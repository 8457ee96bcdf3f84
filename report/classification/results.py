"""What networks learned from each dataset of a run, gathered from its tables and predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from evaluate.run.files import RunFiles
from evaluate.run.outputs import BASELINE_SEED, networks
from evaluate.run.sections import MAJORITY
from evaluate.run.study import Study
from evaluate.table_files import read_table
from frames.targets import Target
from report.classification.mistakes import Classes, Tables, classes_of
from report.classification.scores import ModelScores, collapsed_heads, most_accurate, read_scores
from report.describe.published import PublishedScore, PublishedTable

FEATURE_NETWORKS = frozenset({"azimuthal"})
"""Trained as networks are, but on features chosen by hand: baselines."""


@dataclass(frozen=True)
class Training:
    """What it took to train a model on one dataset, or all that answer in an ensemble."""

    parameters: int
    seconds: float
    """of all seeds"""


@dataclass(frozen=True)
class BayesLimit:
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

    dataset: str
    targets: tuple[Target, ...]
    """what it asks"""
    n_train: int
    n_test: int
    networks: list[ModelScores]
    baselines: list[ModelScores]
    """networks on features chosen by hand first, the majority last"""
    trainings: dict[str, Training]
    """model -> its cost; none of baselines that are no networks"""
    classes: Classes
    """of the best network's first seed"""
    published: PublishedTable | None
    bayes_limits: list[BayesLimit]

    @property
    def best(self) -> ModelScores:
        """The network of highest mean test accuracy."""
        return most_accurate(self.networks)

    @property
    def models(self) -> list[ModelScores]:
        """Networks, then baselines."""
        return [*self.networks, *self.baselines]

    def of(self, model: str) -> ModelScores:
        """One of them."""
        return next(scores for scores in self.models if scores.name == model)

    @property
    def strongest(self) -> ModelScores:
        """The baseline of highest mean test accuracy."""
        return most_accurate(self.baselines)

    def in_the_poster(self, model: str) -> PublishedScore | None:
        """What the poster has for a network of that name."""
        return self.published.rows.get(model) if self.published else None


@dataclass(frozen=True)
class Transfer:
    """Everything trained on one dataset, evaluated on another."""

    trained_on: str
    dataset: str
    n_test: int
    majority: float
    models: list[ModelScores]

    def of(self, model: str) -> ModelScores:
        """One of them."""
        return next(scores for scores in self.models if scores.name == model)

    def strongest_of(self, baselines: Sequence[ModelScores]) -> ModelScores | None:
        """Of these baselines, evaluated on the other dataset, the one of highest mean test accuracy."""
        here = [scores for scores in self.models if scores.name in {baseline.name for baseline in baselines}]
        return most_accurate(here) if here else None


def read_results(
    files: RunFiles, study: Study, bayes_limits: Mapping[str, list[BayesLimit]], published: Mapping[str, PublishedTable]
) -> list[Result]:
    """What was learned, for each dataset that was trained on.

    Parameters
    ----------
    published : dataset -> what others report of its like.
    """
    table, heads, trainings = (read_table(files, name) for name in ("cnn", "heads", "trainings"))
    words = {target.name for asked in study.targets.values() for target in asked if not target.is_number}
    answered = Tables(*(read_table(files, name, words) for name in ("confusion", "per_label", "per_class")))
    return [
        _result(
            *(study, condition),
            table[table["dataset"] == condition],
            heads[heads["dataset"] == condition],
            trainings[trainings["dataset"] == condition],
            answered,
            bayes_limits.get(condition, []),
            published.get(condition),
        )
        for condition in study.trained.conditions
    ]


def read_transfers(files: RunFiles, study: Study) -> dict[str, list[Transfer]]:
    """How what was trained on one dataset does on others; none where none is asked for."""
    asked = {trained_on: others for trained_on, others in study.evaluation.cross_dataset.items() if others}
    if not asked:
        return {}
    table = read_table(files, "generalisation")
    by_pair = dict(iter(table.groupby(["trained_on", "dataset"])))
    return {
        trained_on: [
            Transfer(
                trained_on=trained_on,
                dataset=condition,
                n_test=int(rows["n_test"].iloc[0]),
                majority=float(rows["majority_accuracy"].iloc[0]),
                models=read_scores(rows),
            )
            for condition in others
            for rows in [by_pair[trained_on, condition]]
        ]
        for trained_on, others in asked.items()
    }


def read_bayes_limits(files: RunFiles, study: Study) -> dict[str, list[BayesLimit]]:
    """Dataset -> its Bayes-optimal accuracies, of the most orientations tried; none where none is asked for."""
    if study.evaluation.bayes_limit is None:
        return {}
    found: dict[str, list[BayesLimit]] = {}
    for (condition, fluence), rows in read_table(files, "limit").groupby(["dataset", "fluence"], sort=False):
        *coarser, finest = rows.sort_values("orientations").itertuples()
        found.setdefault(condition, []).append(
            BayesLimit(
                fluence=fluence,
                accuracy=finest.structure_accuracy,
                standard_error=finest.standard_error,
                n_patterns=int(finest.n_patterns),
                orientations=int(finest.orientations),
                coarser=(int(coarser[-1].orientations), coarser[-1].structure_accuracy) if coarser else None,
            )
        )
    return found


def learn_features(names: Sequence[str]) -> list[str]:
    """Those that learn their own features; all where none does."""
    return [name for name in names if name not in FEATURE_NETWORKS] or list(names)


def _result(
    study: Study,
    dataset: str,
    table: pd.DataFrame,
    heads: pd.DataFrame,
    trainings: pd.DataFrame,
    answered: Tables,
    bayes_limits: list[BayesLimit],
    published: PublishedTable | None,
) -> Result:
    trained, targets = networks(study, dataset), study.targets[dataset]
    baselines = [(name, BASELINE_SEED) for name in (*study.evaluation.baselines, MAJORITY)]
    table = table.set_index(["model", "seed"]).loc[[*trained, *baselines]].reset_index()
    collapsed = collapsed_heads(heads, targets)
    scores = read_scores(table, {one: collapsed.get(one, ()) for one in trained})
    models = list(dict.fromkeys(model for model, _ in trained))
    names = learn_features(models)
    learned = [one for one in scores if one.name in names]
    best = most_accurate(learned)
    return Result(
        dataset=dataset,
        targets=targets,
        n_train=int(table["n_train"].iloc[0]),
        n_test=int(table["n_test"].iloc[0]),
        networks=learned,
        baselines=[one for one in scores if one.name not in names],
        trainings={
            model: _training(trainings, [members for (name, _), members in trained.items() if name == model])
            for model in models
        },
        classes=classes_of(best.name, best.seeds[0], answered.of(dataset, best.name, best.seeds[0]), targets),
        published=published,
        bayes_limits=bayes_limits,
    )


def _training(trainings: pd.DataFrame, answering: Sequence[Sequence[tuple[str, int]]]) -> Training:
    """Of a network from each seed, or of an ensemble: the trainings that answer together, each time."""
    by_key = trainings.set_index(["model", "seed"])
    seconds = sum(float(by_key.loc[one, "seconds"]) for members in answering for one in members)
    return Training(sum(int(by_key.loc[one, "n_parameters"]) for one in answering[0]), seconds)
