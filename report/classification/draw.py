"""From the tables of a run to its figures: each can be drawn again from them alone.

singlehit draw results/demo accuracies.svg
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.classification.shown import read_examples
from evaluate.metrics.calibration import Reliability
from evaluate.metrics.confusion import joint_classes, joint_label
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import (
    ALL_IN_FULL,
    BOTH,
    SIDE_BY_SIDE,
    asked,
    main_conditions,
    matrices,
    radial_condition,
    selecting,
)
from evaluate.run.sections import MAJORITY
from evaluate.run.study import Study
from evaluate.table_files import read_table
from frames.targets import Target, named
from report.classification.figures import accuracy, reliability, training
from report.classification.figures.confusion import class_confusion, confusion
from report.classification.reliability import drawn_models
from report.classification.results import Result
from report.classification.summary import Learned, learned, published_tables
from report.describe.published import PublishedTable
from report.describe.questions import words
from report.plot import patterns
from report.plot.gallery import Condition, beside_one_another, gallery

STRUCTURES_OF_MANY = 3
"""Shown of each dataset where there are many, for a page that opens."""

Drawing = Callable[[Path], None]
"""Draws one figure into a file."""


def draw_figures(files: RunFiles, config: RunConfig) -> None:
    """Draw every figure of `evaluate.run.outputs.figure_names`; FileNotFoundError where the run is not that far."""
    for name, draw in drawings(files, config).items():
        draw(files.figure(name))


def drawings(files: RunFiles, config: RunConfig) -> dict[str, Drawing]:
    """Every figure of a run by its name, in the order of `evaluate.run.outputs.figure_names`."""
    of_patterns = _of_patterns(files, config)
    return of_patterns | (study_drawings(files, config.study, published_tables(config)) if config.training else {})


def _of_patterns(files: RunFiles, config: RunConfig) -> dict[str, Drawing]:
    datasets, multiplicities = config.simulation.datasets, config.simulation.plan.hit_multiplicities
    structures = {name: config.simulation.selected(name) for name in datasets}

    @cache
    def examples(name: str) -> Condition:
        return Condition(name, *read_examples(files.examples(name)))

    def classes(path: Path) -> None:
        gallery(path, *side_by_side([examples(name) for name in datasets], structures), multiplicities)

    def all_datasets(path: Path) -> None:
        first = {name: shown_first(list(structures.values()), structures[name]) for name in datasets}
        rows = {name: examples(name).of([structures[name].index(first[name])]) for name in datasets}
        beside_one_another(path, rows, first, multiplicities)

    def of_one(name: str, path: Path) -> None:
        few = structures[name][: None if len(datasets) <= ALL_IN_FULL else STRUCTURES_OF_MANY]
        gallery(path, [examples(name).of(range(len(few)))], few, multiplicities)

    def photons(name: str, path: Path) -> None:
        table = _rows(read_table(files, "photons"), dataset=name)
        counts = {int(m): rows["n"].to_numpy() for m, rows in table.groupby("hit_multiplicity", sort=False)}
        bins = table[table["hit_multiplicity"] == table["hit_multiplicity"].iloc[0]]
        edges = np.append(bins["low"], bins["high"].iloc[-1])
        patterns.photons_per_pattern(path, edges, counts, expected=datasets[name].record == "expected")

    def radial(path: Path) -> None:
        by_structure = dict(iter(read_table(files, "radial", {"structure"}).groupby("structure", sort=False)))
        s = next(iter(by_structure.values()))["s"].to_numpy()
        patterns.radial_profiles(
            path, s, {str(name): rows["photons"].to_numpy() for name, rows in by_structure.items()}
        )

    found: dict[str, Drawing] = {"classes.png": classes}
    if len(datasets) > SIDE_BY_SIDE:
        found["datasets.png"] = all_datasets
    for name in datasets:
        found[f"gallery_{name}.png"] = partial(of_one, name)
        found[f"photons_{name}.svg"] = partial(photons, name)
    return found | ({"radial.svg": radial} if radial_condition(config) else {})


def study_drawings(
    files: RunFiles, study: Study, published: Mapping[str, PublishedTable] | None = None
) -> dict[str, Drawing]:
    """Those of networks: every figure of `evaluate.run.outputs.study_figures`, in this order."""

    @cache
    def read() -> Learned:
        return learned(files, study, published)

    def result(condition: str) -> Result:
        return read().result(condition)

    def accuracies(path: Path) -> None:
        accuracy.accuracies(path, [result(condition) for condition in main_conditions(study)])

    def curve(path: Path) -> None:
        if drawn := read().curve:
            accuracy.photon_curve(path, drawn)

    def transfers(name: str, path: Path) -> None:
        accuracy.transfers(path, result(name), read().transfers[name])

    def reliabilities(condition: str, target: Target, path: Path) -> None:
        _reliability(files, result(condition), target, path)

    def selection(condition: str, target: Target, path: Path) -> None:
        _selection(files, result(condition), target, path)

    def matrix(condition: str, name: str, path: Path) -> None:
        _confusion(files, result(condition), name, path)

    found: dict[str, Drawing] = {"accuracies.svg": accuracies}
    for condition in main_conditions(study):
        targets = study.targets[condition]
        for target in asked(targets):
            found[f"reliability_{target.name}_{condition}.svg"] = partial(reliabilities, condition, target)
        for target in selecting(targets):
            found[f"selection_{target.name}_{condition}.svg"] = partial(selection, condition, target)
    for condition in study.trained.conditions:
        targets = study.targets[condition]
        found[f"training_{condition}.svg"] = partial(_training, files, targets, condition)
        for name in matrices(targets):
            found[f"confusion_{name}_{condition}.svg"] = partial(matrix, condition, name)
    if study.evaluation.photon_curve:
        found["photon_curve.svg"] = curve
    others = [name for name, there in study.evaluation.cross_dataset.items() if there]
    return found | {f"transfers_{name}.svg": partial(transfers, name) for name in others}


def _rows(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """Rows of a table with these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def _first_seeds(files: RunFiles, result: Result, name: str, **values: Any) -> dict[str, pd.DataFrame]:
    """Model -> rows of a table, of the first seed of each model that is drawn."""
    table = _rows(read_table(files, name), dataset=result.dataset, **values)
    return {model: _rows(table, model=model, seed=result.of(model).seeds[0]) for model in drawn_models(result)}


def _reliability(files: RunFiles, result: Result, target: Target, path: Path) -> None:
    def curves(probabilities: str) -> dict[str, Reliability]:
        rows = _first_seeds(files, result, "reliability", target=target.name, probabilities=probabilities)
        return {
            model: Reliability(*(of[name].to_numpy() for name in Reliability._fields)) for model, of in rows.items()
        }

    baselines = [baseline.name for baseline in result.baselines]
    reliability.reliability(path, curves("as trained"), curves("tempered"), baselines)


def _selection(files: RunFiles, result: Result, target: Target, path: Path) -> None:
    chosen = _first_seeds(files, result, "selection", target=target.name)
    reliability.purity_yield(
        path,
        {
            model: (rows["yield"].to_numpy(), rows["purity"].to_numpy())
            for model, rows in _first_seeds(files, result, "purity", target=target.name).items()
        },
        {model: list(zip(points["yield"], points["purity"], strict=True)) for model, points in chosen.items()},
        float(chosen[result.best.name]["single_fraction"].iloc[0]),
        [baseline.name for baseline in result.baselines],
        words(target).kept,
    )


def _training(files: RunFiles, targets: Sequence[Target], dataset: str, path: Path) -> None:
    histories: dict[str, dict[int, pd.DataFrame]] = {}
    table = _rows(read_table(files, "history"), dataset=dataset)
    for (model, seed), rows in table.groupby(["model", "seed"], sort=False):
        histories.setdefault(str(model), {})[int(seed)] = rows
    majority = _rows(read_table(files, "heads"), dataset=dataset, model=MAJORITY, split="validation")
    accuracies = majority.set_index("target")["accuracy"]
    by_question = {"test_accuracy": accuracies.pop(BOTH), **accuracies.add_suffix("_accuracy")}
    of_majority = {question: float(right) for question, right in by_question.items()}
    training.training_curves(path, histories, of_majority, {target.name: words(target).name for target in targets})


def _confusion(files: RunFiles, result: Result, name: str, path: Path) -> None:
    shown = result.classes
    rows = _rows(
        read_table(files, "confusion"), dataset=result.dataset, model=shown.model, seed=shown.seed, target=name
    )
    if name != BOTH:
        target = named(result.targets, name)
        labels = [str(value) for value in target.classes]
        confusion(path, _matrix(rows, labels), labels, words(target).name)
        return
    seen = {*rows["label"], *rows["predicted"]}
    classes: dict[str, tuple[str | int, ...]] = {}  # several may be called none: the first, as no particle
    for one in joint_classes(result.targets):
        if (label := joint_label(one)) in seen:
            classes.setdefault(label, one)
    first, last = (words(target).name for target in result.targets)
    class_confusion(
        path,
        _matrix(rows, list(classes)),
        [(str(group), str(number)) for number, group in classes.values()],
        (last, first),
    )


def _matrix(rows: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.int64]:
    """(k, k) from rows of confusion.csv."""
    at = pd.Index(labels)
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    matrix[at.get_indexer(rows["label"]), at.get_indexer(rows["predicted"])] = rows["n"]
    return matrix


def side_by_side(
    examples: Sequence[Condition], structures: Mapping[str, Sequence[str]]
) -> tuple[list[Condition], list[str]]:
    """The first condition without and the first with noise, of the structures that both have, and these.

    They are the same rows of the plan: the same shots, where they are placed alike. The first alone if they share none.
    """
    first_of = {example.counted is None: example for example in reversed(examples)}
    shown = [first_of[kind] for kind in (True, False) if kind in first_of]
    common = [name for name in structures[shown[0].name] if name in structures[shown[-1].name]]
    if not common:
        shown, common = shown[:1], list(structures[shown[0].name])
    return [one.of([structures[one.name].index(name) for name in common]) for one in shown], common


def shown_first(of_all: Sequence[Sequence[str]], here: Sequence[str]) -> str:
    """Of the structures in a dataset, the one that most datasets have; of equals, the first."""
    return max(here, key=lambda name: sum(name in structures for structures in of_all))
