"""Protocols of the selector: a pattern alone, a sample's patterns without labels, and with a few.

As evaluate/twin/protocols.py has them, predicted by train/few_shot/selector.py in place of a classifier. Labels
come from the validation split, numbers from the test split.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluate.predictions.embeddings import Embedded
from evaluate.twin.protocols import ProtocolScore, single_or_multiple
from train.few_shot import selector
from train.few_shot.counts import Counts, fit_counts
from train.few_shot.logistic import Logistic, adapt, fit
from train.few_shot.support import SupportSet

Array = NDArray[np.floating]


class Learned(NamedTuple):
    """What is known before any pattern of the sample."""

    counts: Counts
    logistic: Logistic

    @classmethod
    def of(cls, known: Embedded, widths: tuple[int, ...] = ()) -> "Learned":
        """From training patterns; `widths` as of a support set."""
        support = known.support._replace(widths=widths)
        return cls(fit_counts(known.embeddings, known.hit_multiplicity), fit(support))

    def sample(self, about: Embedded, noise: float) -> selector.Sample:
        """Patterns as the selector takes them."""
        log_p = selector.with_scores(self.counts.log_p(about.embeddings), self.logistic.scores(about.embeddings))
        return selector.Sample(log_p, about.photons, noise)


def alone(learned: Learned, about: Embedded) -> Iterator[ProtocolScore]:
    """Each pattern by itself."""
    scores = learned.logistic.scores(about.embeddings)
    yield from single_or_multiple("unseen", "selector", scores, about.is_single, about.structure)


def unlabelled(learned: Learned, about: Embedded, noise: float) -> Iterator[ProtocolScore]:
    """Test patterns of each structure, by all of its patterns."""
    scores = np.empty(len(about.photons))
    for structure in np.unique(about.structure):
        mine = about.structure == structure
        scores[mine], _ = selector.together(learned.sample(about.take(mine), noise))
    test = about.split == "test"
    judged = (scores[test], about.is_single[test], about.structure[test])
    yield from single_or_multiple("unlabelled", "selector", *judged)


def few_shot(
    learned: Learned, about: Embedded, noise: float, labels: int, draws: int, seed: int
) -> Iterator[ProtocolScore]:
    """Test patterns by so many labelled validation patterns of each class, and by the sample's other patterns, too.

    `selector_labels`: by the labels alone. `selector`: the sample's test patterns, unlabelled, speak as well.
    """
    right: dict[str, list[list[float]]] = {"selector_labels": [], "selector": []}
    structures = np.unique(about.structure)
    for structure in structures:
        mine = about.of([structure])
        pool, test = mine.in_split("validation"), mine.in_split("test")
        generator = np.random.default_rng([seed, labels, *str(structure).encode()])
        drawn: dict[str, list[float]] = {name: [] for name in right}
        for _ in range(draws):
            labelled = pool.take(_drawn(pool.is_single, labels, generator, str(structure)))
            for name, scores in _by_labels(learned, labelled, test, noise).items():
                drawn[name].append(float(((scores > 0) == test.is_single).mean()))
        for name, values in drawn.items():
            right[name].append(values)
    test = about.in_split("test")
    majority = float(max(test.is_single.mean(), 1 - test.is_single.mean()))
    for name, found in right.items():
        by_structure = np.array(found)  # (structures, draws)
        yield ProtocolScore(
            *("few_shot", name, len(test.photons), float(by_structure.mean()), majority),
            labels=labels,
            n_structures=len(structures),
            deviation=float(by_structure.mean(axis=1).std()),
            draw_deviation=float(by_structure.mean(axis=0).std()),
        )
        for structure, row in zip(structures, by_structure, strict=True):
            yield ProtocolScore(
                *("few_shot", name, int((test.structure == structure).sum()), float(row.mean()), majority),
                labels=labels,
                draw_deviation=float(row.std()),
                structure=str(structure),
            )


def _by_labels(learned: Learned, labelled: Embedded, test: Embedded, noise: float) -> dict[str, Array]:
    """Log-odds (n,) of the test patterns."""
    support = SupportSet(labelled.embeddings, labelled.is_single)
    adapted = adapt(learned.logistic, support)

    def sample(some: Embedded) -> selector.Sample:
        log_p = learned.counts.log_p(some.embeddings)
        return selector.Sample(selector.with_scores(log_p, adapted.scores(some.embeddings)), some.photons, noise)

    told = labelled.is_single.astype(np.int8)
    _, brightness = selector.together(sample(labelled), told)
    pairs: list[Any] = [*zip(labelled, test, strict=True)]
    both = Embedded(*map(np.concatenate, pairs))
    told = np.concatenate([told, np.full(len(test.photons), -1, np.int8)])
    scores, _ = selector.together(sample(both), told)
    return {
        "selector_labels": selector.by_brightness(brightness, sample(test)),
        "selector": scores[len(labelled.photons) :],
    }


def _drawn(is_single: NDArray[np.bool_], n: int, generator: np.random.Generator, structure: str) -> NDArray[np.int64]:
    """Places of n single and n multiple hits, by chance; ValueError where there are fewer."""
    chosen: Sequence[NDArray[np.int64]] = [np.flatnonzero(is_single), np.flatnonzero(~is_single)]
    if min(map(len, chosen)) < n:
        raise ValueError(
            f"{n} + {n} labels of {structure} are asked for, and its validation split has {len(chosen[0])} single and "
            f"{len(chosen[1])} multiple hits; lower --labels or simulate more"
        )
    return np.concatenate([generator.choice(places, n, replace=False) for places in chosen])
