"""Scores of models, made up by hand."""

import math
from collections.abc import Sequence

from evaluate.metrics.accuracy import wilson_interval
from frames.targets import shot_targets
from report.classification.mistakes import Classes
from report.classification.results import Result, Training, Transfer
from report.classification.scores import LONE, TEST, ModelScores, SeedScore
from report.describe.questions import asked_questions

N_TEST = 10_000
TARGETS = shot_targets(["a", "b"], [1, 2])
QUESTIONS = (TEST, *(question.accuracy for question in asked_questions(TARGETS)))


def scored(name: str, *accuracies: float, lone: float = math.nan) -> ModelScores:
    """A model with a seed for each of these test accuracies, which the other questions share."""
    return ModelScores(
        name,
        [
            SeedScore(seed, dict.fromkeys(QUESTIONS, accuracy) | {LONE: lone}, wilson_interval(accuracy, N_TEST))
            for seed, accuracy in enumerate(accuracies)
        ],
    )


def result(
    networks: Sequence[ModelScores], baselines: Sequence[ModelScores], condition: str = "noisy", **more: object
) -> Result:
    """What was learned from one dataset, without its classes."""
    return Result(
        **{
            "dataset": condition,
            "targets": TARGETS,
            "n_train": 70_000,
            "n_test": N_TEST,
            "networks": list(networks),
            "baselines": list(baselines),
            "trainings": {network.name: Training(1000, 60.0) for network in networks},
            "classes": Classes(networks[0].name, 0, {}, {}, {}),
            "published": None,
            "bayes_limits": [],
            **more,
        }
    )


def transfer(condition: str, models: Sequence[ModelScores], majority: float = 0.1) -> Transfer:
    """Models trained on the dataset `noisy`, asked about another."""
    return Transfer("noisy", condition, N_TEST, majority, list(models))
