"""What a run holds, by its config alone: who answers about what, and the tables and figures that come of it.

Snakemake asks this at every start, on a cluster in every job: nothing is imported here that takes time.
"""

from collections.abc import Collection
from typing import Literal

from evaluate.run.config import RunConfig

SIDE_BY_SIDE = 2
"""Datasets that the picture of all classes shows; of more, another one has a row for each."""

OURS = ("folded", "polar")
"""Networks of ours, the better one first: the first that a model is called after is what others are variants of."""

ALL_IN_FULL = 4
"""Datasets up to which a report shows each in full."""

BASELINE_SEED = 0
"""Of the baselines: in their column, and for the one that draws. Ensembles have it in their column too."""

TABLES = (
    *("cnn", "per_class", "per_label", "heads", "confusion"),
    *("calibration", "reliability", "selection", "purity", "history", "trainings", "generalisation"),
)
"""That come of predictions, evaluate/classification/tables.py."""

SHOWN = ("classes", "photons", "radial")
"""That come of the patterns themselves, evaluate/classification/shown.py."""

DRAWN_HEADS: tuple[Literal["count"], Literal["particle"]] = ("count", "particle")
"""Whose confidence is drawn."""


def ours(names: Collection[str]) -> str | None:
    """Of models or encoders, the one that is called after a network of ours; None where none is."""
    return next((name for name in OURS if name in names), None)


def has_report(config: RunConfig) -> bool:
    """Whether a run has the page about its patterns and its networks: one of twin networks alone has its own page."""
    return config.training is not None or config.twins is None


def predictors(config: RunConfig) -> list[tuple[str, str, int]]:
    """Dataset, model and seed of all that answers: networks, ensembles and then baselines, dataset by dataset."""
    if config.training is None:
        return []
    baselines = [(name, BASELINE_SEED) for name in config.evaluation.baselines]
    return [
        (condition, *learner)
        for condition in config.training.conditions
        for learner in [*networks(config, condition), *baselines]
    ]


def networks(config: RunConfig, condition: str) -> dict[tuple[str, int], list[tuple[str, int]]]:
    """Model and seed of every network and ensemble on a dataset -> those of the trainings that it stands for."""
    trainings = [training[1:] for training in config.trained.trainings if training[0] == condition]
    ensembles = {(name, BASELINE_SEED): members for name, members in config.members(condition).items()}
    return {one: [one] for one in trainings} | ensembles


def transfers(config: RunConfig) -> list[tuple[str, str, int, str]]:
    """The same, with each other dataset that it is asked about."""
    return [
        (trained_on, model, seed, evaluate_on)
        for trained_on, model, seed in predictors(config)
        for evaluate_on in config.evaluation.cross_dataset.get(trained_on, ())
    ]


def shown_names(config: RunConfig) -> list[str]:
    """The tables of the patterns themselves, by name."""
    return [name for name in SHOWN if name != "radial" or radial_condition(config)]


def table_names(config: RunConfig) -> list[str]:
    """The tables of what is predicted, by name; of what is simulated alone there is none."""
    if config.training is None:
        return []
    names = [name for name in TABLES if name != "generalisation" or transfers(config)]
    return [*names, "limit"] if config.evaluation.bayes_limit else names


def main_conditions(config: RunConfig) -> list[str]:
    """The datasets trained on; of many, without the levels of the photon curve, which has its own figure."""
    conditions = config.training.conditions if config.training else []
    levels = config.evaluation.photon_curve
    if len(conditions) <= ALL_IN_FULL:
        return conditions
    return [name for name in conditions if name not in levels] or conditions


def figure_names(config: RunConfig) -> list[str]:
    """What report/classification/draw.py writes into figures/."""
    names = ["classes.png", *["datasets.png"] * (len(config.simulation.datasets) > SIDE_BY_SIDE)]
    for name in config.simulation.datasets:
        names += [f"gallery_{name}.png", f"photons_{name}.svg"]
    if radial_condition(config):
        names.append("radial.svg")
    if config.training is None:
        return names
    names.append("accuracies.svg")
    for condition in main_conditions(config):
        names += [f"reliability_{head}_{condition}.svg" for head in asked_heads(config, condition)]
        if selects(config):
            names.append(f"selection_{condition}.svg")
    for condition in config.trained.conditions:
        names.append(f"training_{condition}.svg")
        names += [f"{matrix}_{condition}.svg" for matrix in matrices(config, condition)]
    if config.evaluation.photon_curve:
        names.append("photon_curve.svg")
    return names + [f"transfers_{name}.svg" for name, others in config.evaluation.cross_dataset.items() if others]


def asked_heads(config: RunConfig, condition: str) -> list[Literal["count", "particle"]]:
    """Heads that have more than one answer to choose from; what has but one is always right."""
    answers = {
        "count": len(config.simulation.plan.hit_multiplicities),
        "particle": len(config.simulation.selected(condition)),
    }
    return [head for head in DRAWN_HEADS if answers[head] > 1]


def selects(config: RunConfig) -> bool:
    """Whether there are single hits to be kept, and others to be left."""
    multiplicities = config.simulation.plan.hit_multiplicities
    return 1 in multiplicities and len(multiplicities) > 1


def matrices(config: RunConfig, condition: str) -> list[str]:
    """Confusion matrices of a dataset, by the names of their figures: those with more than one class."""
    heads = asked_heads(config, condition)
    names = [name for head, name in (("particle", "structures"), ("count", "counts")) if head in heads]
    counted = [multiplicity for multiplicity in config.simulation.plan.hit_multiplicities if multiplicity]
    return [*names, "both"] if "particle" in heads and len(counted) > 1 else names


def radial_condition(config: RunConfig) -> str | None:
    """The first noise-free dataset, where there are single hits to average."""
    names = (name for name, dataset in config.simulation.datasets.items() if dataset.record == "expected")
    return next(names, None) if 1 in config.simulation.plan.hit_multiplicities else None
