"""What a run holds, by its config alone: who is evaluated on what, and the tables and figures that come of it.

Snakemake asks this at every start, on a cluster in every job: nothing is imported here that takes time.
"""

from collections.abc import Collection, Sequence

from evaluate.run.config import RunConfig
from evaluate.run.study import Study
from frames.targets import Target

SIDE_BY_SIDE = 2
"""Datasets that the picture of all classes shows; of more, another one has a row for each."""

OURS = ("folded", "polar")
"""Networks of ours, the better one first: the first that a model is called after is what others are variants of."""

ALL_IN_FULL = 4
"""Datasets up to which a report shows each in full."""

BASELINE_SEED = 0
"""Of the baselines: in their column, and for the one that draws. Ensembles have it in their column too."""

BOTH = "both"
"""In place of a target: all questions together, as two are, a structure and how many of it."""

TABLES = (
    *("cnn", "per_class", "per_label", "heads", "confusion"),
    *("calibration", "reliability", "selection", "purity", "history", "trainings", "generalisation"),
)
"""That come of predictions, evaluate/classification/tables.py."""

SHOWN = ("classes", "photons", "radial")
"""That come of the patterns themselves, evaluate/classification/shown.py."""


def ours(names: Collection[str]) -> str | None:
    """Of models or encoders, the one that is called after a network of ours; None where none is."""
    return next((name for name in OURS if name in names), None)


def has_report(config: RunConfig) -> bool:
    """Whether a run has the page about its patterns and its networks: one of twin networks alone has its own page."""
    return config.training is not None or config.twins is None


def predictors(study: Study) -> list[tuple[str, str, int]]:
    """Dataset, model and seed of all that predicts: networks, ensembles and then baselines, dataset by dataset."""
    if study.training is None:
        return []
    baselines = [(name, BASELINE_SEED) for name in study.evaluation.baselines]
    return [
        (condition, *learner)
        for condition in study.training.conditions
        for learner in [*networks(study, condition), *baselines]
    ]


def networks(study: Study, condition: str) -> dict[tuple[str, int], list[tuple[str, int]]]:
    """Model and seed of every network and ensemble on a dataset -> those of the trainings that it stands for."""
    trainings = [training[1:] for training in study.trained.trainings if training[0] == condition]
    ensembles = {(name, BASELINE_SEED): members for name, members in study.members(condition).items()}
    return {one: [one] for one in trainings} | ensembles


def transfers(study: Study) -> list[tuple[str, str, int, str]]:
    """The same, with each other dataset that it is evaluated on."""
    return [
        (trained_on, model, seed, evaluate_on)
        for trained_on, model, seed in predictors(study)
        for evaluate_on in study.evaluation.cross_dataset.get(trained_on, ())
    ]


def shown_names(config: RunConfig) -> list[str]:
    """The tables of the patterns themselves, by name."""
    return [name for name in SHOWN if name != "radial" or radial_condition(config)]


def table_names(study: Study) -> list[str]:
    """The tables of what is predicted, by name; of what is simulated alone there is none."""
    if study.training is None:
        return []
    names = [name for name in TABLES if name != "generalisation" or transfers(study)]
    return [*names, "limit"] if study.evaluation.bayes_limit else names


def main_conditions(study: Study) -> list[str]:
    """The datasets trained on; of many, without the levels of the photon curve, which has its own figure."""
    conditions = study.training.conditions if study.training else []
    levels = study.evaluation.photon_curve
    if len(conditions) <= ALL_IN_FULL:
        return conditions
    return [name for name in conditions if name not in levels] or conditions


def figure_names(config: RunConfig) -> list[str]:
    """What report/classification/draw.py writes into figures/, of a run that simulates its patterns."""
    names = ["classes.png", *["datasets.png"] * (len(config.simulation.datasets) > SIDE_BY_SIDE)]
    for name in config.simulation.datasets:
        names += [f"gallery_{name}.png", f"photons_{name}.svg"]
    if radial_condition(config):
        names.append("radial.svg")
    return names + study_figures(config.study)


def study_figures(study: Study) -> list[str]:
    """Those of them about networks and what these predict."""
    if study.training is None:
        return []
    names = ["accuracies.svg"]
    for condition in main_conditions(study):
        targets = study.targets[condition]
        names += [f"reliability_{target.name}_{condition}.svg" for target in asked(targets)]
        names += [f"selection_{target.name}_{condition}.svg" for target in selecting(targets)]
    for condition in study.training.conditions:
        names.append(f"training_{condition}.svg")
        names += [f"confusion_{name}_{condition}.svg" for name in matrices(study.targets[condition])]
    if study.evaluation.photon_curve:
        names.append("photon_curve.svg")
    return names + [f"transfers_{name}.svg" for name, others in study.evaluation.cross_dataset.items() if others]


def asked(targets: Sequence[Target]) -> list[Target]:
    """Those that have more than one answer to choose from; what has but one is always right."""
    return [target for target in targets if len(target.classes) > 1]


def selecting(targets: Sequence[Target]) -> list[Target]:
    """Those of which one class is kept and others are left."""
    return [target for target in asked(targets) if target.kept is not None]


def matrices(targets: Sequence[Target]) -> list[str]:
    """Confusion matrices that are drawn, each by the name of its target: the last question first, then `both`.

    Both together where there are two questions, and more than one class of each beside 0, which stands for nothing.
    """
    names = [target.name for target in reversed(asked(targets))]
    something = [[value for value in target.classes if value != 0] for target in targets]
    return [*names, BOTH] if len(targets) == 2 and all(len(classes) > 1 for classes in something) else names


def radial_condition(config: RunConfig) -> str | None:
    """The first noise-free dataset, where there are single hits to average."""
    names = (name for name, dataset in config.simulation.datasets.items() if dataset.record == "expected")
    return next(names, None) if 1 in config.simulation.plan.hit_multiplicities else None
