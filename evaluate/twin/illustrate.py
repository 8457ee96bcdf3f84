"""From the files of a run to the figures of its twin networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evaluate.config import RunConfig
from evaluate.run_files import RunFiles
from evaluate.twin import figures, figures_embedded
from evaluate.twin.contents import (
    ALL_FOLDS,
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
    networks,
    twin_folder,
    unseen_structures,
)
from evaluate.twin.controls import CONTROLS, classifiers_of
from evaluate.twin.embedded import read_embedded, read_known
from evaluate.twin.protocols import roc_auc
from evaluate.wording import percent
from simulate.dataset import Dataset, open_dataset
from simulate.files import read_arrays
from train.few_shot import probability
from train.twin_config import NONE, TwinTraining

N_MAPPED = 1500
"""Patterns on the map, at most."""

SEED = 0
"""Of the map, and of the patterns chosen to be shown."""

SHOTS = {"adapted": "what was learned, adapted", "centroid": "the labelled patterns alone"}
"""Classifier of `few_shot` -> what it goes by."""


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
            figures.grid(files.figure(f"twin_grid_{name}.svg"), *grid_tables(table, config, name))
        else:
            _draw_evolution(files, config, name)
    if (main := main_encoder(config)) is None:
        return
    _draw_map(files, config, main)
    if "twin_conditions.svg" in names:
        rows = unseen_rows(table, config)
        rows = rows[[trained_on == home(config, name) for name, trained_on in _pairs(rows)]]
        controls = config.evaluation.twins.controls
        figures.conditions(files.figure("twin_conditions.svg"), rows.rename(columns={"encoder": "learner"}), controls)
    if "twin_roc.svg" in names:
        _draw_unseen(files, config, main, table)


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows["encoder"], rows["trained_on"], strict=True))


def read_table(path: Path) -> pd.DataFrame:
    """A table of evaluate/twin/tables.py; names stay what they are, also where one is `NA`."""
    numbers = ("accuracy", "balanced_accuracy", "majority_accuracy", "roc_auc", "deviation", "draw_deviation")
    return pd.read_csv(path, keep_default_na=False, na_values=dict.fromkeys(numbers, ""))


def classifier_of(learner: str, protocol: str = "unseen") -> str:
    """By which it is judged on unseen structures: without labels a network by the nearer mean, as it was trained."""
    if protocol != "unseen":
        return {"unlabelled": "mixture", "few_shot": "adapted"}[protocol]
    if learner not in CONTROLS:
        return "centroid"
    known = classifiers_of(learner)
    return "regression" if "regression" in known else next(iter(known))


def unseen_rows(
    table: pd.DataFrame, config: RunConfig, each: bool = False, protocol: Literal["unseen", "unlabelled"] = "unseen"
) -> pd.DataFrame:
    """Rows of `twin.csv`, or of `twin_structures.csv`, that say how unseen structures were told, in the config's order.

    One for each network or control, dataset trained on, condition and seed (and structure).

    Parameters
    ----------
    each :     whether the table has rows for single structures: these have the family held out as their fold.
    protocol : without labels of them, or with other patterns of theirs as well, also without labels.
    """
    names = [*networks(config), *config.evaluation.twins.controls]
    found = []
    for name in names:
        by = table["classifier"] == classifier_of(name, protocol)
        mine = by & (table["encoder"] == name) & (table["protocol"] == protocol)
        fold = fold_of(config, name)
        in_fold = table["fold"] != NONE if each and fold == ALL_FOLDS else table["fold"] == fold
        found.append(table[mine & in_fold])
    rows = pd.concat(found, ignore_index=True)
    order = list(dict.fromkeys((*rows["trained_on"], *config.evaluation.twins.asked_about)))
    return rows.sort_values("condition", key=lambda column: column.map(order.index), kind="stable", ignore_index=True)


def grid_tables(
    table: pd.DataFrame, config: RunConfig, encoder: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Held-out accuracy, the poster's measure, and trainings that collapsed: embedding dimension x margin.

    Accuracies are means over the seeds.
    """
    trained_on = home(config, encoder)
    mine = table[(table["encoder"] == encoder) & (table[["trained_on", "condition"]] == trained_on).all(axis=1)]
    same = mine[(mine["protocol"] == "same") & (mine["classifier"] == "neighbours")]
    triplets = mine[mine["protocol"] == "training_triplets"]
    keys = {"index": "embedding_dim", "columns": "margin"}
    return (
        same.pivot_table(values="accuracy", **keys),
        triplets.pivot_table(values="accuracy", **keys),
        same.pivot_table(values="collapsed", aggfunc="sum", **keys),
    )


def best_control(rows: pd.DataFrame, config: RunConfig, condition: str) -> str | None:
    """The control with the highest mean accuracy on unseen structures; None where there is none."""
    main = main_encoder(config)
    assert main is not None, "only runs with a network that is no grid ask this"
    rows = rows[rows["encoder"].isin(config.evaluation.twins.controls) & (rows["condition"] == condition)]
    mean = rows[rows["trained_on"] == home(config, main)].groupby("encoder")["accuracy"].mean()
    return None if mean.empty else str(mean.idxmax())


def first_training(config: RunConfig, encoder: str, fold: str | None = None) -> TwinTraining:
    """That of the first seed on its first dataset; the fold is that asked for, else `none`, else its first."""
    mine = [training for training in config.twinned.trainings if training.encoder == encoder]
    fold = fold or (NONE if any(training.fold == NONE for training in mine) else mine[0].fold)
    return next(training for training in mine if training.fold == fold)


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
        known = read_known(twin_folder(files, training) / "known.npz").without(held_out)
        answers = classify(known.known)(about.embeddings)
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
    condition, controls = main_condition(config), config.evaluation.twins.controls
    answers = {name: scored(files, config, name, condition) for name in learners(config, condition)}
    curves = {
        name: (said.scores, said.is_single, roc_auc(said.scores, said.is_single)) for name, said in answers.items()
    }
    figures.roc(files.figure("twin_roc.svg"), curves, controls)
    rows = unseen_rows(table, config)
    mine = rows[_of(rows, config, main) & (rows["condition"] == condition)]
    figures.few_shot(
        files.figure("twin_few_shot.svg"),
        {said: few_shot_rows(table, config, main, classifier) for classifier, said in SHOTS.items()},
        float(mine["accuracy"].mean()),
        float(mine["majority_accuracy"].mean()),
    )
    each = unseen_rows(read_table(files.table("twin_structures")), config, each=True)
    each = each[each["condition"] == condition]
    control = best_control(rows, config, condition)
    figures.per_structure(
        files.figure("twin_per_structure.svg"),
        families_of(config, unseen_structures(config, main, condition)),
        (main, each[_of(each, config, main)]),
        None if control is None else (control, each[_of(each, config, control)]),
    )
    dataset = open_dataset(files.dataset(condition))
    figures_embedded.gallery(
        files.figure("twin_gallery.png"), _gallery_rows(dataset, answers[main]), dataset.record != "expected"
    )


def _of(rows: pd.DataFrame, config: RunConfig, learner: str) -> pd.Series:
    return (rows["encoder"] == learner) & (rows["trained_on"] == home(config, learner))


def few_shot_rows(table: pd.DataFrame, config: RunConfig, learner: str, classifier: str) -> pd.DataFrame:
    """Labels, and means over the seeds of accuracy and deviation, in the main condition."""
    rows = table[(table["protocol"] == "few_shot") & (table["classifier"] == classifier)]
    rows = rows[_of(rows, config, learner) & (rows["condition"] == main_condition(config))]
    rows = rows[rows["fold"] == fold_of(config, learner)]
    return rows.groupby("labels")[["accuracy", "deviation"]].mean().reset_index()


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
