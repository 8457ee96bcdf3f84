"""From the files of a run to its figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.metrics import accuracy as metrics
from evaluate.metrics.calibration import HeadName, Reliability, calibrated, confidence, head_of, reliability_curve
from evaluate.metrics.confusion import class_matrix, classes_shot, confusions
from evaluate.metrics.operating_points import operating_points, purity_yield, scores
from evaluate.predictions.labels import labels_of
from evaluate.predictions.predictions import read_predictions
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import (
    ALL_IN_FULL,
    SIDE_BY_SIDE,
    asked_heads,
    main_conditions,
    matrices,
    radial_condition,
    selects,
)
from frames.geometry import Geometry
from frames.store.dataset import Dataset, open_dataset
from report.classification.figures import accuracy, training
from report.classification.figures import reliability as figures_trust
from report.classification.figures.confusion import class_confusion, confusion
from report.classification.reliability import drawn_models
from report.classification.results import Result
from report.classification.summary import learned
from report.plot import patterns as figures
from report.plot.gallery import Condition, beside_one_another, gallery
from report.plot.resolution import Resolution

RADIAL_PATTERNS = 2048
"""Test patterns that are read for the radial profiles; the single hits among them are averaged."""

STRUCTURES_OF_MANY = 3
"""Shown of each dataset where there are many, for a page that opens."""


def draw_figures(files: RunFiles, config: RunConfig) -> None:
    """Draw every figure of `contents.figure_names`; FileNotFoundError where the run is not that far."""
    datasets = {name: open_dataset(files.dataset(name)) for name in config.simulation.datasets}
    _draw_patterns(files, config, datasets)
    if config.training is None:
        return
    found = learned(files, config, datasets)
    main = [found.result(condition) for condition in main_conditions(config)]
    accuracy.accuracies(files.figure("accuracies.svg"), main)
    for result in main:
        _draw_trust(files, config, result)
    for result in found.results:
        _draw_training(files, config, datasets[result.dataset])
        _draw_confusions(files, config, datasets[result.dataset], result)
    if found.curve:
        accuracy.photon_curve(files.figure("photon_curve.svg"), found.curve)
    for name, asked in found.transfers.items():
        accuracy.transfers(files.figure(f"transfers_{name}.svg"), found.result(name), asked)


def _draw_trust(files: RunFiles, config: RunConfig, result: Result) -> None:
    grey = [baseline.name for baseline in result.baselines]
    answers = {
        model: read_predictions(files.predictions(result.dataset, model, result.of(model).seeds[0]), split=None)
        for model in drawn_models(result)
    }
    before, after = (
        {model: table[table["split"] == "test"] for model, table in tables.items()}
        for tables in (answers, {model: calibrated(table) for model, table in answers.items()})
    )

    def reliability(tables: Mapping[str, pd.DataFrame], head: HeadName) -> dict[str, Reliability]:
        return {model: reliability_curve(*confidence(head_of(table, head))) for model, table in tables.items()}

    for head in asked_heads(config, result.dataset):
        path = files.figure(f"reliability_{head}_{result.dataset}.svg")
        figures_trust.reliability(path, reliability(before, head), reliability(after, head), grey)
    if selects(config):
        curves = {model: purity_yield(*scores(table, "test")) for model, table in answers.items()}
        chosen = {model: operating_points(table) for model, table in answers.items()}
        figures_trust.purity_yield(
            files.figure(f"selection_{result.dataset}.svg"),
            {model: (found, purity) for model, (_, purity, found) in curves.items()},
            {model: list(zip(points["yield"], points["purity"], strict=True)) for model, points in chosen.items()},
            float((before[result.best.name]["hit_multiplicity"] == 1).mean()),
            grey,
        )


def _draw_training(files: RunFiles, config: RunConfig, dataset: Dataset) -> None:
    histories: dict[str, dict[int, pd.DataFrame]] = {}
    for condition, model, seed in config.trained.trainings:
        if condition == dataset.name:
            histories.setdefault(model, {})[seed] = pd.read_csv(files.history(condition, model, seed))
    majority = metrics.majority(labels_of(dataset, "train"), labels_of(dataset, "validation"))
    training.training_curves(files.figure(f"training_{dataset.name}.svg"), histories, asdict(majority))


def _draw_confusions(files: RunFiles, config: RunConfig, dataset: Dataset, result: Result) -> None:
    shown, drawn = result.classes, matrices(config, dataset.name)
    predictions = read_predictions(files.predictions(dataset.name, shown.model, shown.seed))
    found = confusions(predictions, dataset)
    for column, labels, name, quantity in (
        ("structure", dataset.structures, "structures", "structure"),
        ("hit_multiplicity", dataset.hit_multiplicities, "counts", "number of particles"),
    ):
        if name in drawn:
            known = [str(label) for label in labels]
            confusion(files.figure(f"{name}_{dataset.name}.svg"), found[column], known, quantity)
    if "both" in drawn:
        classes = classes_shot(dataset.structures, dataset.hit_multiplicities)
        path = files.figure(f"both_{dataset.name}.svg")
        class_confusion(path, class_matrix(predictions, classes), classes)


def _draw_patterns(files: RunFiles, config: RunConfig, datasets: Mapping[str, Dataset]) -> None:
    resolutions = {name: Resolution.of(Geometry.load(files.geometry(name))) for name in datasets}
    shown = {name: _examples(dataset, resolutions[name].pixel) for name, dataset in datasets.items()}
    multiplicities = config.simulation.plan.hit_multiplicities
    for name, example in shown.items():
        few = datasets[name].structures[: None if len(shown) <= ALL_IN_FULL else STRUCTURES_OF_MANY]
        gallery(files.figure(f"gallery_{name}.png"), [example.of(range(len(few)))], few, multiplicities)
        histogram = datasets[name].card["photons_per_pattern"]["histogram"]
        figures.photons_per_pattern(
            files.figure(f"photons_{name}.svg"),
            np.array(histogram["edges"]),
            {int(multiplicity): np.array(patterns) for multiplicity, patterns in histogram["counts"].items()},
            expected=datasets[name].record == "expected",
        )
    structures = {name: dataset.structures for name, dataset in datasets.items()}
    gallery(files.figure("classes.png"), *side_by_side(list(shown.values()), structures), multiplicities)
    if len(shown) > SIDE_BY_SIDE:
        first = {name: shown_first(list(structures.values()), structures[name]) for name in shown}
        rows = {name: example.of([structures[name].index(first[name])]) for name, example in shown.items()}
        beside_one_another(files.figure("datasets.png"), rows, first, multiplicities)
    if condition := radial_condition(config):
        resolution = resolutions[condition]
        profiles = _radial_profiles(datasets[condition], resolution)
        figures.radial_profiles(files.figure("radial.svg"), resolution.ring_middles, profiles)


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


def _examples(dataset: Dataset, pixel_s: float) -> Condition:
    """The first test pattern of every class; of shots that hit nothing another one beside each structure."""
    test = dataset.splits["test"]
    structure, count = dataset.structure[test], dataset.count[test]
    shape = len(dataset.structures), len(dataset.hit_multiplicities)
    patterns = np.empty((*shape, *dataset.shape[1:]), np.float32)
    counted = np.empty(shape, np.int64)
    for index in np.ndindex(shape):
        if dataset.hit_multiplicities[index[1]]:
            row = test.start + int(np.argmax((structure == index[0]) & (count == index[1])))
        else:
            empty = np.flatnonzero(structure < 0)
            row = test.start + int(empty[index[0] % len(empty)])
        patterns[index] = dataset.read(slice(row, row + 1))[0]
        counted[index] = dataset.read_raw(slice(row, row + 1)).sum()
    patterns[..., dataset.mask] = np.nan
    return Condition(dataset.name, patterns, pixel_s, None if dataset.record == "expected" else counted)


def _radial_profiles(dataset: Dataset, resolution: Resolution) -> dict[str, NDArray[np.float64]]:
    """Structure -> mean photons per pixel of its single hits by ring."""
    test = dataset.splits["test"]
    rows = slice(test.start, min(test.stop, test.start + RADIAL_PATTERNS))
    images = dataset.read(rows)
    single, structure = dataset.hit_multiplicity[rows] == 1, dataset.structure[rows]
    chosen = {name: single & (structure == index) for index, name in enumerate(dataset.structures)}
    return {name: resolution.radial_mean(images[rows].mean(axis=0)) for name, rows in chosen.items() if rows.any()}
