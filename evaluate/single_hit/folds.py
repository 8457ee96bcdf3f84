"""Who is asked about which structures: one network about all, or of each family the fold that never saw it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluate.baselines import spectral_clustering
from evaluate.baselines.feature_controls import classifiers_of, total_intensity
from evaluate.predictions.embeddings import Embedded, embedded_by
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.single_hit import asked
from evaluate.twin.outputs import twin_folder
from frames.store.dataset import Dataset, open_dataset
from train.config.recipe import support_rows
from train.config.twins import NONE, TwinTraining
from train.few_shot.logistic import Logistic, fit
from train.few_shot.support import Scores
from train.inference.shipped import Twin, beside, load_twin

Features = Callable[[NDArray[np.float32]], NDArray[np.float32]]

CONTROLS: Mapping[str, Features] = {
    "spectral_clustering": spectral_clustering.features,
    "total_intensity": total_intensity,
}

USED = ("clusters", "centroid", "mixture", "adapted")
"""Classifiers of controls that docs/results/twins.md compares."""


class Control(NamedTuple):
    """Features that nobody trained, and what known patterns say of them."""

    known: Embedded
    scores: Mapping[str, Scores]
    """by classifier"""
    fitted: Logistic

    @classmethod
    def of(cls, name: str, known: Embedded) -> "Control":
        """Of a control of `CONTROLS`."""
        scores = {key: make(known.support) for key, make in classifiers_of(name).items() if key in USED}
        return cls(known, scores, fit(known.support))


class Fold(NamedTuple):
    """A network, the controls that know as many of the same patterns, and what they are asked about."""

    name: str
    """family held out; empty where there is one network for all"""
    structures: tuple[str, ...]
    """that neither has seen; empty: all that there are"""
    twin: Twin
    learned: asked.Learned
    controls: Mapping[str, Control]


def one_fold(twin: Twin, like: Dataset) -> list[Fold]:
    """The network about everything. `like` is a dataset of its training."""
    controls = {name: Control.of(name, known) for name, known in _known(like)}
    return [Fold("", (), twin, learned_of(twin), controls)]


def folds_of(config: RunConfig, files: RunFiles, encoders: Sequence[str]) -> Iterator[Fold]:
    """Each family's, with the controls that know as much. Raises as `twins_of`."""
    like = open_dataset(files.dataset(next(iter(_trainings(config, encoders[-1]).values())).dataset))
    known = dict(_known(like))
    for family, structures, twin in twins_of(config, files, encoders):
        held_out = config.held_out(family)
        controls = {name: Control.of(name, patterns.without(held_out)) for name, patterns in known.items()}
        yield Fold(family, structures, twin, learned_of(twin), controls)


def twins_of(
    config: RunConfig, files: RunFiles, encoders: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...], Twin]]:
    """Each family, its structures, and what never saw it: encoders of a run, one asked beside the other; of each its
    first dataset, shape and seed.

    Raises
    ------
    FileNotFoundError where a fold was not trained yet; ValueError where the run has no such encoder or families.
    """
    every = [_trainings(config, encoder) for encoder in encoders]
    for family in config.twinned.families:
        twin = beside(*(load_twin(twin_folder(files, some[family]) / "model.pt") for some in every))
        yield family, tuple(config.twinned.held_out(family)), twin


def _trainings(config: RunConfig, encoder: str) -> dict[str, TwinTraining]:
    """Of an encoder, by family held out."""
    found = {t.fold: t for t in reversed(config.twinned.trainings) if t.encoder == encoder and t.fold != NONE}
    if not found:
        raise ValueError(
            f"run {config.run} trains no {encoder!r} with a family held out; its encoders are "
            f"{[*config.twinned.encoders]}, its families {[*config.twinned.families]}"
        )
    return found


def learned_of(twin: Twin) -> asked.Learned:
    """What a network's known patterns say; ValueError where its file does not tell their numbers of particles."""
    if twin.hit_multiplicity is None:
        raise ValueError("the network's file does not say how many particles its known patterns show; write it again")
    support, n = twin.support, len(twin.support.is_single)
    unsaid = np.full(n, "?"), twin.hit_multiplicity, np.full(n, "train"), np.full(n, np.nan)
    return asked.Learned.of(Embedded(support.embeddings, *unsaid), support.widths)


def _known(like: Dataset) -> Iterator[tuple[str, Embedded]]:
    """Controls' features of as many training patterns as a network keeps."""
    rows = support_rows(like.splits["train"])
    for name, features in CONTROLS.items():
        yield name, embedded_by(features, like, rows)
