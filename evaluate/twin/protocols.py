"""The protocols that a twin network is evaluated by, each a function from embeddings to numbers.

| protocol | known | evaluated on |
| --- | --- | --- |
| same | training patterns | test patterns of the structures trained on |
| unseen | the same | test patterns of structures that nobody trained on |
| unlabelled | and other patterns of each such structure, without labels | the same |
| few_shot | and a few labelled patterns of each such structure | the same |
| verification | | pairs of these: are both single, or both multiple hits? |
| retrieval | training patterns of every class | which class: structure and number of particles |
| training_triplets | | the poster's: random triplets of training patterns, is the positive nearer than the negative? |
| test_triplets | | the same of test patterns |
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from evaluate.predictions.embeddings import Embedded
from train.few_shot.classifiers import by_centroid, by_nearest, by_neighbours
from train.few_shot.logistic import Logistic, adapt
from train.few_shot.mixture import by_mixture, settled
from train.few_shot.support import Array, Scores, squared_distances

N_PAIRS = 20_000
"""Of verification and of triplets."""

NEIGHBOURS_OF_A_CLASS = 15
"""That name a class."""

FEW_SHOT = ("nearest", "centroid", "neighbours", "adapted")
"""Classifiers of `few_shot`: from the labelled patterns alone, but for `adapted`."""


@dataclass(frozen=True)
class ProtocolScore:
    """How right the predictions of one classifier were, by one protocol."""

    protocol: str
    classifier: str
    n_test: int
    accuracy: float
    """fraction right"""
    majority_accuracy: float
    """of always predicting the most frequent class"""
    roc_auc: float = np.nan
    """probability that a single hit scores higher than a multiple one"""
    balanced_accuracy: float = np.nan
    """mean of the fractions right among single and among multiple hits"""
    labels: int = 0
    """labelled patterns of a structure, of each class"""
    n_structures: int = 1
    deviation: float = np.nan
    """of the accuracy from structure to structure"""
    draw_deviation: float = np.nan
    """of the accuracy, the mean over structures, from one draw of labelled patterns to the next"""
    structure: str = ""
    """that the score is of; empty: of all of them"""


OVER_STRUCTURES: Mapping[str, Any] = {
    "n_test": ("n_test", "sum"),
    "n_structures": ("structure", "nunique"),
    "accuracy": ("accuracy", "mean"),
    "balanced_accuracy": ("balanced_accuracy", "mean"),
    "majority_accuracy": ("majority_accuracy", "mean"),
    "roc_auc": ("roc_auc", "mean"),
    "deviation": ("accuracy", lambda of: float(np.std(of))),
}
"""How rows of single structures become one of all, where each was asked of another network: columns of `.agg`."""


def single_or_multiple(
    protocol: str, classifier: str, scores: Array, is_single: NDArray[np.bool_], structure: NDArray[np.str_]
) -> Iterator[ProtocolScore]:
    """How right scores (n,) are, single where positive: of all patterns, then of each structure's."""
    each = [
        _judged(protocol, classifier, scores[of], is_single[of], structure=str(name))
        for name in np.unique(structure)
        for of in [structure == name]
    ]
    yield _judged(
        *(protocol, classifier, scores, is_single),
        n_structures=len(each),
        deviation=float(np.std([score.accuracy for score in each])),
    )
    yield from each


def _judged(
    protocol: str,
    classifier: str,
    scores: Array,
    is_single: NDArray[np.bool_],
    *,
    n_structures: int = 1,
    deviation: float = np.nan,
    structure: str = "",
) -> ProtocolScore:
    right = (scores > 0) == is_single
    return ProtocolScore(
        protocol,
        classifier,
        n_test=len(scores),
        accuracy=float(right.mean()),
        majority_accuracy=_majority(is_single),
        roc_auc=roc_auc(scores, is_single),
        balanced_accuracy=float(np.mean([right[which].mean() for which in (is_single, ~is_single) if which.any()])),
        n_structures=n_structures,
        deviation=deviation,
        structure=structure,
    )


def roc_auc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Probability that a positive pattern scores higher than another, ties half (Mann-Whitney); NaN without both."""
    n_positive = int(positive.sum())
    n_other = len(positive) - n_positive
    if not n_positive or not n_other:
        return float("nan")
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_other))


def evaluated(protocol: str, classifiers: Mapping[str, Scores], about: Embedded) -> Iterator[ProtocolScore]:
    """`same` and `unseen`: the predictions of every classifier."""
    for name, scores in classifiers.items():
        yield from single_or_multiple(protocol, name, scores(about.embeddings), about.is_single, about.structure)


def unlabelled(known: Embedded, fitted: Logistic, about: Embedded) -> Iterator[ProtocolScore]:
    """Predictions of each structure's test patterns, from how all of its patterns lie, these among them."""
    scores = {name: np.empty(len(about.embeddings)) for name in ("settled", "mixture")}
    for structure in np.unique(about.structure):
        mine = about.structure == structure
        theirs = about.embeddings[mine]
        scores["settled"][mine] = settled(known.embeddings, known.hit_multiplicity, theirs)
        scores["mixture"][mine] = by_mixture(fitted.scores(theirs), about.photons[mine])
    test = about.split == "test"
    for name, of_all in scores.items():
        judged = (of_all[test], about.is_single[test], about.structure[test])
        yield from single_or_multiple("unlabelled", name, *judged)


def few_shot(
    fitted: Logistic, pool: Embedded, about: Embedded, labels: Sequence[int], draws: int, seed: int
) -> Iterator[ProtocolScore]:
    """Predictions of each structure's patterns, from so many labelled ones of its own of each class.

    Parameters
    ----------
    fitted : to other structures.
    pool :    patterns that are labelled: the first ones after shuffling, another shuffle for each draw.
    draws :   of labelled patterns.

    Raises
    ------
    ValueError naming a structure with fewer single, or multiple, hits in `pool` than are to be labelled.
    """
    structures = np.unique(about.structure)
    for n in labels:
        right = {name: np.empty((len(structures), draws)) for name in FEW_SHOT}
        area = {name: np.empty((len(structures), draws)) for name in FEW_SHOT}
        for row, structure in enumerate(structures):
            theirs, mine = pool.of([structure]), about.of([structure])
            generator = np.random.default_rng([seed, n, *structure.encode()])
            for draw in range(draws):
                labelled = _labelled(theirs, n, generator, str(structure)).support
                for name, classifier in (
                    ("nearest", by_nearest(labelled)),
                    ("centroid", by_centroid(labelled)),
                    ("neighbours", by_neighbours(labelled)),
                    ("adapted", adapt(fitted, labelled).scores),
                ):
                    scores = classifier(mine.embeddings)
                    right[name][row, draw] = ((scores > 0) == mine.is_single).mean()
                    area[name][row, draw] = roc_auc(scores, mine.is_single)
        sizes = np.array([(about.structure == structure).sum() for structure in structures])
        for name in FEW_SHOT:
            of_structure = right[name].mean(axis=1)
            majority = _majority(about.is_single)
            yield ProtocolScore(
                *("few_shot", name, int(sizes.sum()), float(of_structure.mean()), majority),
                labels=n,
                roc_auc=float(area[name].mean()),
                n_structures=len(structures),
                deviation=float(of_structure.std()),
                draw_deviation=float(right[name].mean(axis=0).std()),
            )
            for row, structure in enumerate(structures):
                yield ProtocolScore(
                    *("few_shot", name, int(sizes[row]), float(of_structure[row]), majority),
                    labels=n,
                    roc_auc=float(area[name][row].mean()),
                    draw_deviation=float(right[name][row].std()),
                    structure=str(structure),
                )


def _labelled(pool: Embedded, n: int, generator: np.random.Generator, structure: str) -> Embedded:
    """n single and n multiple hits of the pool, by chance."""
    chosen = []
    for which, what in ((pool.is_single, "single"), (~pool.is_single, "multiple")):
        there = np.flatnonzero(which)
        if len(there) < n:
            raise ValueError(
                f"{n} labelled {what} hits of {structure} are asked for, but the validation split has {len(there)}; "
                "lower evaluation.twins.labels or simulate more"
            )
        chosen.append(generator.choice(there, n, replace=False))
    return pool.take(np.concatenate(chosen))


def verification(about: Embedded, seed: int) -> ProtocolScore:
    """Random pairs of patterns: how well their nearness tells those of one class from those of two.

    The accuracy is that of the best threshold: an upper bound, as the threshold is chosen on these pairs.
    """
    generator = np.random.default_rng(seed)
    one, other = generator.integers(len(about.embeddings), size=(2, N_PAIRS))
    one, other = one[one != other], other[one != other]
    alike = about.is_single[one] == about.is_single[other]
    nearness = -np.square(about.embeddings[one] - about.embeddings[other]).sum(axis=1)
    order = np.argsort(-nearness, kind="stable")
    right = np.cumsum(np.where(alike[order], 1, -1)) + (~alike).sum()  # called alike: the nearest 1, 2, ... pairs
    return ProtocolScore(
        *("verification", "distance", len(alike), float(right.max() / len(alike)), _majority(alike)),
        roc_auc=roc_auc(nearness, alike),
    )


def retrieval(known: Embedded, about: Embedded) -> Iterator[ProtocolScore]:
    """Which class, structure and number of particles, by the nearest centroid and by the nearest neighbours."""
    classes, number = np.unique(_class_of(known), return_inverse=True)
    labels = _class_of(about)
    majority = max(np.unique(labels, return_counts=True)[1]) / len(labels)
    centroids = np.array([known.embeddings[number == index].mean(axis=0) for index in range(len(classes))])
    squared = np.square(centroids).sum(axis=1) - 2 * about.embeddings @ centroids.T
    predictions = {"centroid": squared.argmin(axis=1), "neighbours": _voted(known.embeddings, number, about.embeddings)}
    for name, predicted in predictions.items():
        right = float((classes[predicted] == labels).mean())
        yield ProtocolScore("retrieval", name, len(labels), right, float(majority))


def triplets(protocol: str, about: Embedded, seed: int) -> ProtocolScore:
    """Of random triplets, the fraction in which the positive is nearer than the negative: the poster's measure."""
    generator = np.random.default_rng(seed)
    single, multiple = np.flatnonzero(about.is_single), np.flatnonzero(~about.is_single)
    right = 0.0
    for mine, theirs in ((single, multiple), (multiple, single)):
        n = len(mine)
        first = generator.integers(n, size=N_PAIRS // 2)
        another = (first + generator.integers(1, max(2, n), N_PAIRS // 2)) % n
        anchor, positive, negative = mine[first], mine[another], generator.choice(theirs, N_PAIRS // 2)
        near, far = (
            np.square(about.embeddings[anchor] - about.embeddings[other]).sum(axis=1) for other in (positive, negative)
        )
        right += (near < far).sum() + (near == far).sum() / 2
    return ProtocolScore(protocol, "triplets", N_PAIRS, right / N_PAIRS, 0.5)


def _voted(known: Array, number: NDArray[np.intp], about: Array) -> NDArray[np.intp]:
    """(m,) most frequent number among the nearest known embeddings; of equals the smallest."""
    n = min(NEIGHBOURS_OF_A_CLASS, len(known))
    predictions = []
    for squared in squared_distances(known, about):
        near = number[np.argpartition(squared, n - 1, axis=1)[:, :n]]
        predictions.append((near[:, :, None] == np.arange(number.max() + 1)).sum(axis=1).argmax(axis=1))
    return np.concatenate(predictions)


def _class_of(some: Embedded) -> NDArray[np.str_]:
    return np.char.add(np.char.add(some.structure.astype(str), " x "), some.hit_multiplicity.astype(str))


def _majority(positive: NDArray[np.bool_]) -> float:
    return float(max(positive.mean(), 1 - positive.mean()))
