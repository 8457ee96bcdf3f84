"""What the figures of twin networks show: tables of where patterns lie and how they are told, and patterns shown."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evaluate.baselines.feature_controls import CONTROLS, classifiers_of
from evaluate.predictions.embeddings import read_embedded, read_support
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.table_files import write_table
from evaluate.twin.outputs import (
    CONTROL,
    embeddings_file,
    fold_of,
    has_unseen,
    home,
    learners,
    main_condition,
    main_encoder,
    networks,
    shown_names,
    twin_folder,
    unseen_structures,
)
from evaluate.twin.protocols import roc_auc
from frames.files import read_arrays, write_arrays
from frames.store.dataset import Dataset, open_dataset
from train.config.twins import NONE, TwinTraining
from train.few_shot.logistic import probability

N_MAPPED = 1500
"""Patterns on the map, at most."""

N_DRAWN = 400
"""Thresholds of a curve, at most."""

N_SHOWN = 12
"""Patterns of each row of the gallery, at most."""

SEED = 0
"""Of the map, and of the patterns chosen to be shown."""

_RUN = {"run": "name of the run"}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "twin_evolution": {
        **_RUN,
        "encoder": "name in the config of what was trained",
        "epoch": "after which the validation patterns were embedded, counted from 0",
        "epochs": "of the whole training",
        "x": "first component of the embedding, or its first principal one where it has more than two",
        "y": "second component",
        "axis": "component, or principal component",
        "is_single": "whether the pattern is a single hit",
    },
    "twin_map": {
        **_RUN,
        "encoder": "name in the config of what was trained",
        "dataset": "dataset of the run that is evaluated on",
        "x": "place of a test pattern's embedding on a t-SNE map",
        "y": "the other coordinate",
        "hit_multiplicity": "particles in the shot",
        "structure": "that the pattern shows",
    },
    "twin_roc": {
        **_RUN,
        "encoder": "name in the config of what was trained, or of a control",
        "dataset": "dataset of the run that is evaluated on",
        "false_positive_rate": "fraction of the multiple hits of unseen structures with a score above a threshold",
        "true_positive_rate": "fraction of the single hits",
        "roc_auc": "area under the curve, of all structures together",
    },
}
"""Table -> column -> meaning."""


class Scored(NamedTuple):
    """What was predicted of patterns of unseen structures."""

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


class Shown(NamedTuple):
    """Patterns of unseen structures and what was said of them: right ones drawn at random, wrong ones surest first."""

    patterns: NDArray[np.float32]
    """(n, ny, nx) [photons], NaN where masked"""
    p_single: NDArray[np.float64]
    """(n,)"""
    hit_multiplicity: NDArray[np.int64]
    structure: NDArray[np.str_]
    is_right: NDArray[np.bool_]
    """(n,)"""
    right: float
    """fraction of all test patterns of unseen structures"""


def write_shown(files: RunFiles, config: RunConfig, provenance: Mapping[str, Any]) -> None:
    """Write the tables of `shown_names`, and the patterns where structures are unseen."""
    rows: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    rows["twin_evolution"] = [_evolution(files, config, name) for name in networks(config)]
    if (main := main_encoder(config)) is not None:
        rows["twin_map"].append(_map(files, config, main))
    if main is not None and has_unseen(config):
        condition = main_condition(config)
        predictions = {name: scored(files, config, name, condition) for name in learners(config, condition)}
        rows["twin_roc"] = [_roc(name, said).assign(dataset=condition) for name, said in predictions.items()]
        write_patterns(files, shown(open_dataset(files.dataset(condition)), predictions[main]))
    for name in shown_names(config):
        write_table(pd.concat(rows[name]).assign(run=config.run), files.table(name), COLUMNS[name], provenance)


def scored(files: RunFiles, config: RunConfig, learner: str, condition: str) -> Scored:
    """Predictions of a network, or a control, of the test patterns of unseen structures; of its first seed."""
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
        scores = classify(known.support)(about.embeddings)
        parts.append(Scored(scores, about.hit_multiplicity, about.structure, rows))
    return Scored(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def classifier_of(learner: str, protocol: str = "unseen") -> str:
    """By which it is judged on unseen structures: without labels a network by the nearer mean, as it was trained."""
    if protocol != "unseen":
        return {"unlabelled": "mixture", "few_shot": "adapted"}[protocol]
    if learner not in CONTROLS:
        return "centroid"
    known = classifiers_of(learner)
    return "regression" if "regression" in known else next(iter(known))


def first_training(config: RunConfig, encoder: str, fold: str | None = None) -> TwinTraining:
    """That of the first seed on its first dataset; the fold is that asked for, else `none`, else its first."""
    mine = [training for training in config.twinned.trainings if training.encoder == encoder]
    fold = fold or (NONE if any(training.fold == NONE for training in mine) else mine[0].fold)
    return next(training for training in mine if training.fold == fold)


def _evolution(files: RunFiles, config: RunConfig, encoder: str) -> pd.DataFrame:
    arrays = read_arrays(twin_folder(files, first_training(config, encoder)) / "evolution.npz")
    embeddings, is_single = arrays["embeddings"], arrays["is_single"]
    epochs = len(embeddings)
    axis = "principal component" if embeddings.shape[2] > 2 else "component"
    about = {"encoder": encoder, "epochs": epochs, "axis": axis}
    parts = []
    for epoch in dict.fromkeys((0, (epochs - 1) // 2, epochs - 1)):
        x, y = places(embeddings[epoch], embeddings[-1]).T
        parts.append(pd.DataFrame({**about, "epoch": epoch, "x": x, "y": y, "is_single": is_single.astype(bool)}))
    return pd.concat(parts)


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


def _map(files: RunFiles, config: RunConfig, encoder: str) -> pd.DataFrame:
    condition = main_condition(config)
    test = read_embedded(embeddings_file(files, first_training(config, encoder)), condition).in_split("test")
    chosen = np.random.default_rng(SEED).permutation(len(test.split))[:N_MAPPED]
    test = test.take(np.sort(chosen))
    x, y = map_of(test.embeddings).T
    about = {"encoder": encoder, "dataset": condition}
    return pd.DataFrame(
        {**about, "x": x, "y": y, "hit_multiplicity": test.hit_multiplicity, "structure": test.structure}
    )


def _roc(learner: str, said: Scored) -> pd.DataFrame:
    false, true = roc_curve(said.scores, said.is_single)
    drawn = np.unique(np.linspace(0, len(false) - 1, N_DRAWN).round().astype(int))
    area = roc_auc(said.scores, said.is_single)
    return pd.DataFrame(
        {
            "encoder": learner,
            "false_positive_rate": false[drawn],
            "true_positive_rate": true[drawn],
            "roc_auc": area,
        }
    )


def roc_curve(scores: NDArray, is_single: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """Fractions of the multiple and of the single hits with scores (n,) above each threshold, from none to all."""
    order = np.argsort(-scores, kind="stable")
    # Patterns of one score are kept together or not at all.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true, false = (np.cumsum(which[order])[ends] / max(which.sum(), 1) for which in (is_single, ~is_single))
    return np.append(0.0, false), np.append(0.0, true)


def shown(dataset: Dataset, said: Scored) -> Shown:
    """Of what was predicted of a dataset, patterns told rightly and wrongly."""
    right = (said.scores > 0) == said.is_single
    shuffled = np.random.default_rng(SEED).permutation(np.flatnonzero(right))[:N_SHOWN]
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-np.abs(said.scores[wrong]), kind="stable")][:N_SHOWN]
    which = np.append(shuffled, surest)
    return Shown(
        patterns=np.array(list(_patterns(dataset, said.row[which])), np.float32).reshape(-1, *dataset.shape[1:]),
        p_single=np.array([float(probability(score)) for score in said.scores[which]]),
        hit_multiplicity=said.hit_multiplicity[which],
        structure=said.structure[which].astype(str),
        is_right=right[which],
        right=float(right.mean()),
    )


def _patterns(dataset: Dataset, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Patterns of these rows, counted from the first validation pattern."""
    for row in dataset.splits["validation"].start + rows:
        pattern = dataset.read(slice(int(row), int(row) + 1))[0].copy()
        pattern[dataset.mask] = np.nan
        yield pattern


def write_patterns(files: RunFiles, patterns: Shown) -> None:
    """Write as `.npz`, atomically."""
    write_arrays(files.examples("twin"), patterns._asdict(), compress=True)


def read_patterns(files: RunFiles) -> Shown:
    """What `write_patterns` wrote; FileNotFoundError where it is not there."""
    return Shown(**read_arrays(files.examples("twin")))
