"""From the files of a run to its figures."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate import figures, metrics
from evaluate.config import RunConfig
from evaluate.gallery import Condition, gallery
from evaluate.predictions import asked_of, read_predictions
from evaluate.resolution import Resolution
from evaluate.run_files import RunFiles
from evaluate.tables import labels_of
from simulate.dataset import Dataset, open_dataset
from simulate.geometry import Geometry

RADIAL_PATTERNS = 2048
"""Test patterns that are read for the radial profiles; the single hits among them are averaged."""


def figure_names(config: RunConfig) -> list[str]:
    """What `draw_figures` writes into figures/."""
    names = ["classes.png"]
    for name in config.simulation.datasets:
        names += [f"gallery_{name}.png", f"photons_{name}.svg"]
    if _radial_condition(config):
        names.append("radial.svg")
    for condition in config.training.datasets:
        for model in config.training.models:
            names += [f"{figure}_{condition}_{model}.svg" for figure in ("training", "structures", "counts")]
    return names


def draw_figures(files: RunFiles, config: RunConfig) -> None:
    """Draw every figure of `figure_names`; FileNotFoundError where the run is not that far."""
    _draw_patterns(files, config)
    for condition in config.training.datasets:
        dataset = open_dataset(files.dataset(condition))
        majority = metrics.majority(labels_of(dataset, "train"), labels_of(dataset, "validation"))
        for model in config.training.models:
            histories = {seed: pd.read_csv(files.history(condition, model, seed)) for seed in config.training.seeds}
            name = f"{condition}_{model}.svg"
            figures.training_curves(files.figure(f"training_{name}"), histories, majority)
            predictions = read_predictions(files.predictions(condition, model, config.training.seeds[0]))
            for column, labels, figure, quantity in (
                ("structure", dataset.structures, "structures", "structure"),
                ("hit_multiplicity", dataset.hit_multiplicities, "counts", "hit multiplicity"),
            ):
                asked = asked_of(predictions, column)
                matrix = metrics.confusion(asked[column], asked[f"predicted_{column}"], labels)
                figures.confusion(files.figure(f"{figure}_{name}"), matrix, [str(label) for label in labels], quantity)


def _draw_patterns(files: RunFiles, config: RunConfig) -> None:
    datasets = {name: open_dataset(files.dataset(name)) for name in config.simulation.datasets}
    resolutions = {name: Resolution.of(Geometry.load(files.geometry(name))) for name in datasets}
    shown = {name: _examples(dataset, resolutions[name].pixel) for name, dataset in datasets.items()}
    first = next(iter(datasets.values()))
    labels = first.structures, first.hit_multiplicities
    for name, example in shown.items():
        gallery(files.figure(f"gallery_{name}.png"), [example], *labels)
        histogram = datasets[name].card["photons_per_pattern"]["histogram"]
        figures.photons_per_pattern(
            files.figure(f"photons_{name}.svg"),
            np.array(histogram["edges"]),
            {int(multiplicity): np.array(patterns) for multiplicity, patterns in histogram["counts"].items()},
            expected=datasets[name].record == "expected",
        )
    # The same rows of the plan: the same shots, without and with noise, where they are placed alike.
    first_of = {example.counted is None: example for example in reversed(shown.values())}
    gallery(files.figure("classes.png"), [first_of[kind] for kind in (True, False) if kind in first_of], *labels)
    if condition := _radial_condition(config):
        resolution = resolutions[condition]
        profiles = _radial_profiles(datasets[condition], resolution)
        figures.radial_profiles(files.figure("radial.svg"), resolution.ring_middles, profiles)


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


def _radial_condition(config: RunConfig) -> str | None:
    """The first noise-free dataset, where there are single hits to average."""
    names = (name for name, dataset in config.simulation.datasets.items() if dataset.record == "expected")
    return next(names, None) if 1 in config.simulation.plan.hit_multiplicities else None


def _radial_profiles(dataset: Dataset, resolution: Resolution) -> dict[str, NDArray[np.float64]]:
    """Structure -> mean photons per pixel of its single hits by ring."""
    test = dataset.splits["test"]
    rows = slice(test.start, min(test.stop, test.start + RADIAL_PATTERNS))
    images = dataset.read(rows)
    single, structure = dataset.hit_multiplicity[rows] == 1, dataset.structure[rows]
    chosen = {name: single & (structure == index) for index, name in enumerate(dataset.structures)}
    return {name: resolution.radial_mean(images[rows].mean(axis=0)) for name, rows in chosen.items() if rows.any()}
