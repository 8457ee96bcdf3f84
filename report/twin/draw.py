"""From the files of a run to the figures of its twin networks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evaluate.baselines.feature_controls import classifiers_of
from evaluate.predictions.embeddings import read_embedded, read_support
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.twin.outputs import (
    CONTROL,
    NO_FAMILY,
    embeddings_file,
    families_of,
    figure_names,
    fold_of,
    home,
    learners,
    main_condition,
    main_encoder,
    twin_folder,
    unseen_structures,
)
from evaluate.twin.protocols import roc_auc
from frames.files import read_arrays
from frames.store.dataset import Dataset, open_dataset
from report.formatting import percent
from report.twin.figures import accuracy
from report.twin.figures import embedding as figures_embedded
from report.twin.rows import (
    SHOTS,
    _of,
    _pairs,
    best_control,
    classifier_of,
    few_shot_rows,
    first_training,
    grid_tables,
    read_table,
    unseen_rows,
)
from train.config.twins import NONE
from train.few_shot.logistic import probability

N_MAPPED = 1500
"""Patterns on the map, at most."""

SEED = 0
"""Of the map, and of the patterns chosen to be shown."""


class Scored(NamedTuple):
    """What was answered about patterns of unseen structures."""

    scores: NDArray[np.floating]
    """(n,) single where positive"""
    hit_multiplicity: NDArray[np.int64]
    structure: NDArray[np.str_]
    row: NDArray[np.int64]
    """(n,) in the dataset, counted from its first validation pattern"""

    @property
    def is_single(self) -> NDArray[np.bool_]:
        """(n,)."""
        return self.hit_multiplicity == 1


def draw_figures(files: RunFiles, config: RunConfig) -> None:
    """Draw every figure of `contents.figure_names`; FileNotFoundError where the run is not that far."""
    names, table = figure_names(config), read_table(files.table("twin"))
    for name, encoder in config.twinned.encoders.items():
        if encoder.is_grid:
            accuracy.grid(files.figure(f"twin_grid_{name}.svg"), *grid_tables(table, config, name))
        else:
            _draw_evolution(files, config, name)
    if (main := main_encoder(config)) is None:
        return
    _draw_map(files, config, main)
    if "twin_conditions.svg" in names:
        rows = unseen_rows(table, config)
        rows = rows[[trained_on == home(config, name) for name, trained_on in _pairs(rows)]]
        controls = config.evaluation.twins.baselines
        accuracy.conditions(files.figure("twin_conditions.svg"), rows.rename(columns={"encoder": "learner"}), controls)
    if "twin_roc.svg" in names:
        _draw_unseen(files, config, main, table)


def scored(files: RunFiles, config: RunConfig, learner: str, condition: str) -> Scored:
    """Answers of a network, or a control, about the test patterns of unseen structures; of its first seed."""
    classify = classifiers_of(learner)[classifier_of(learner)]
    twins, unseen = config.twinned, unseen_structures(config, learner, condition)
    encoder = twins.encoders.get(learner)
    all_folds = [NONE, *twins.families] if encoder is None else encoder.folds
    folds = [NONE] if fold_of(config, learner) == NONE else [fold for fold in all_folds if fold != NONE]
    parts = []
    for fold in folds:
        if encoder is None:
            training = CONTROL._replace(dataset=home(config, learner), encoder=learner)
        else:
            training = first_training(config, learner, fold)
        held_out = unseen if fold == NONE else [one for one in twins.held_out(fold) if one in unseen]
        everything = read_embedded(embeddings_file(files, training), condition)
        rows = np.flatnonzero((everything.split == "test") & np.isin(everything.structure, held_out))
        if not len(rows):
            continue
        about = everything.take(rows)
        known = read_support(twin_folder(files, training) / "support.npz").without(held_out)
        answers = classify(known.support)(about.embeddings)
        parts.append(Scored(answers, about.hit_multiplicity, about.structure, rows))
    return Scored(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _draw_evolution(files: RunFiles, config: RunConfig, encoder: str) -> None:
    arrays = read_arrays(twin_folder(files, first_training(config, encoder)) / "evolution.npz")
    embeddings, is_single = arrays["embeddings"], arrays["is_single"]
    epochs = len(embeddings)
    shown = list(dict.fromkeys((0, (epochs - 1) // 2, epochs - 1)))
    titles = {epoch: f"epoch {epoch + 1} of {epochs}" if epochs > 1 else "after training" for epoch in shown}
    panels = {title: places(embeddings[epoch], embeddings[-1]) for epoch, title in titles.items()}
    kind = "principal component" if embeddings.shape[2] > 2 else "component"
    path = files.figure(f"twin_evolution_{encoder}.png")
    figures_embedded.evolution(path, panels, is_single, (f"{kind} 1", f"{kind} 2"))


def places(embeddings: NDArray[np.floating], reference: NDArray[np.floating]) -> NDArray[np.floating]:
    """(n, 2) embeddings (n, d): as they are, or along the first two principal components of `reference` (m, d).

    The larger part of each component is positive, so that equal embeddings are drawn equally; one component of an
    embedding that has but one lies on a line.
    """
    d = embeddings.shape[1]
    if d <= 2:
        return np.pad(embeddings, ((0, 0), (0, 2 - d)))
    centre = reference.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(reference - centre, full_matrices=False)[2][:2]
    axes *= np.sign(axes[[0, 1], np.abs(axes).argmax(axis=1)])[:, None]
    return (embeddings - centre) @ axes.T


def map_of(embeddings: NDArray[np.floating]) -> NDArray[np.floating]:
    """(n, 2) t-SNE of embeddings (n, d); all in one place where all are equal."""
    if np.ptp(embeddings, axis=0).max(initial=0) == 0:
        return np.zeros((len(embeddings), 2))
    start = "pca" if min(embeddings.shape) >= 2 else "random"
    perplexity = min(30.0, (len(embeddings) - 1) / 4)
    with threadpool_limits(1):  # more would add up in another order each time
        return TSNE(2, perplexity=perplexity, init=start, random_state=SEED).fit_transform(embeddings)


def _draw_map(files: RunFiles, config: RunConfig, encoder: str) -> None:
    training = first_training(config, encoder)
    condition = main_condition(config)
    test = read_embedded(embeddings_file(files, training), condition).in_split("test")
    chosen = np.random.default_rng(SEED).permutation(len(test.split))[:N_MAPPED]
    test = test.take(np.sort(chosen))
    there = set(test.structure)
    shown = families_of(config, [one for one in config.simulation.selected(condition) if one in there])
    if (others := shown.pop(NO_FAMILY, None)) and len(others) <= len(figures_embedded.MARKERS):
        shown[NO_FAMILY] = others
    elif "" in shown:  # no families at all: a colour each
        shown = {structure: [structure] for structure in shown[""][: len(figures_embedded.MARKERS)]}
    figures_embedded.embedding_map(
        files.figure(f"twin_map_{encoder}.png"),
        map_of(test.embeddings),
        test.hit_multiplicity,
        test.structure,
        shown,
    )


def _draw_unseen(files: RunFiles, config: RunConfig, main: str, table: pd.DataFrame) -> None:
    """The figures of the main condition, where there are unseen structures in it."""
    condition, controls = main_condition(config), config.evaluation.twins.baselines
    answers = {name: scored(files, config, name, condition) for name in learners(config, condition)}
    curves = {
        name: (said.scores, said.is_single, roc_auc(said.scores, said.is_single)) for name, said in answers.items()
    }
    accuracy.roc(files.figure("twin_roc.svg"), curves, controls)
    rows = unseen_rows(table, config)
    mine = rows[_of(rows, config, main) & (rows["dataset"] == condition)]
    accuracy.few_shot(
        files.figure("twin_few_shot.svg"),
        {said: few_shot_rows(table, config, main, classifier) for classifier, said in SHOTS.items()},
        float(mine["accuracy"].mean()),
        float(mine["majority_accuracy"].mean()),
    )
    each = unseen_rows(read_table(files.table("twin_structures")), config, each=True)
    each = each[each["dataset"] == condition]
    control = best_control(rows, config, condition)
    accuracy.per_structure(
        files.figure("twin_per_structure.svg"),
        families_of(config, unseen_structures(config, main, condition)),
        (main, each[_of(each, config, main)]),
        None if control is None else (control, each[_of(each, config, control)]),
    )
    dataset = open_dataset(files.dataset(condition))
    figures_embedded.gallery(
        files.figure("twin_gallery.png"), _gallery_rows(dataset, answers[main]), dataset.record != "expected"
    )


def _gallery_rows(dataset: Dataset, said: Scored) -> dict[str, list[figures_embedded.Shown]]:
    right = (said.scores > 0) == said.is_single
    n = 2 * figures_embedded.ACROSS
    shuffled = np.random.default_rng(SEED).permutation(np.flatnonzero(right))[:n]
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-np.abs(said.scores[wrong]), kind="stable")][:n]
    return {
        f"Right ({percent(right.mean())}): drawn at random": _shown(dataset, said, shuffled),
        f"Wrong ({percent((~right).mean())}): the surest first": _shown(dataset, said, surest),
    }


def _shown(dataset: Dataset, said: Scored, which: Sequence[int] | NDArray[np.int64]) -> list[figures_embedded.Shown]:
    start = dataset.splits["validation"].start
    shown = []
    for index in which:
        row = start + int(said.row[index])
        pattern = dataset.read(slice(row, row + 1))[0].copy()
        pattern[dataset.mask] = np.nan
        p_single = float(probability(said.scores[index]))
        shown.append(
            figures_embedded.Shown(pattern, p_single, int(said.hit_multiplicity[index]), str(said.structure[index]))
        )
    return shown
