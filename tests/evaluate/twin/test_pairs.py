"""Verification, retrieval and triplets on hand-placed embeddings, against loops over their definitions."""

import itertools

import numpy as np
import pytest

from evaluate.predictions.embeddings import Embedded
from evaluate.twin import protocols
from support.made.embedded import along_a_line, both, patterns


def test_verification_by_a_loop():
    about = patterns(60, apart=4.0)
    answer = protocols.verification(about, seed=3)
    pairs = [(i, j) for i, j in itertools.permutations(range(60), 2)]
    near = np.array([-((about.embeddings[i] - about.embeddings[j]) ** 2).sum() for i, j in pairs])
    alike = np.array([about.is_single[i] == about.is_single[j] for i, j in pairs])
    # Of all pairs, against 20,000 drawn ones: a standard error of less than 0.004.
    assert answer.roc_auc == pytest.approx(protocols.roc_auc(near, alike), abs=0.016)
    best = max(np.mean((near >= threshold) == alike) for threshold in np.quantile(near, np.linspace(0, 1, 400)))
    assert answer.accuracy == pytest.approx(best, abs=0.016)


def test_verification_is_of_the_pairs_of_its_seed(monkeypatch):
    """By a loop over thresholds: the nearest k pairs are called alike."""
    monkeypatch.setattr(protocols, "N_PAIRS", 60)
    about = patterns(9, apart=1.0)
    answer = protocols.verification(about, seed=5)
    drawn = np.random.default_rng(5).integers(9, size=(2, 60)).T.tolist()
    pairs = [(i, j) for i, j in drawn if i != j]
    assert len(pairs) < 60
    far = [float(((about.embeddings[i] - about.embeddings[j]) ** 2).sum()) for i, j in pairs]
    alike = [bool(about.is_single[i] == about.is_single[j]) for i, j in pairs]
    order = sorted(range(len(pairs)), key=lambda at: far[at])
    best = max(
        sum(alike[at] for at in order[:k]) + sum(not alike[at] for at in order[k:]) for k in range(1, len(pairs) + 1)
    )
    share = np.mean(alike)
    assert answer == protocols.ProtocolScore(
        *("verification", "distance", len(pairs), best / len(pairs), max(share, 1 - share)),
        roc_auc=protocols.roc_auc(-np.array(far, np.float32), np.array(alike)),
    )


def test_retrieval_by_hand(monkeypatch):
    """Single hits of `a` at 0 and 2, of `b` at 10 twice; asked about are three of `a` at 4, 7, 8, and one of `b` at 9.

    The nearest centroid is right about the first and the last, the one nearest neighbour too; four vote for either
    alike, of which `a` is the first.
    """
    known = both(along_a_line("a", [0, 2], [1, 1]), along_a_line("b", [10, 10], [1, 1]))
    about = both(along_a_line("a", [4, 7, 8], [1, 1, 1]), along_a_line("b", [9], [1]))
    for neighbours, right in ((15, 0.75), (1, 0.5)):
        monkeypatch.setattr(protocols, "NEIGHBOURS_OF_A_CLASS", neighbours)
        assert list(protocols.retrieval(known, about)) == [
            protocols.ProtocolScore("retrieval", name, 4, accuracy, 0.75)
            for name, accuracy in (("centroid", 0.5), ("neighbours", right))
        ]


def test_retrieval_names_structure_and_number():
    """Classes on a grid, 10 apart, with noise of 1: every one is told; and by chance where nothing is in it."""
    generator = np.random.default_rng(0)
    multiplicity, number = np.arange(240) % 4 + 1, np.arange(240) // 4 % 3
    places = 10 * np.stack([multiplicity, number], 1) + generator.standard_normal((240, 2))
    some = Embedded(
        places.astype(np.float32), np.array(["a", "b", "c"])[number], multiplicity, np.full(240, "test"), np.ones(240)
    )
    known, about = some.take(np.arange(240) < 120), some.take(np.arange(240) >= 120)
    for answer in protocols.retrieval(known, about):
        assert answer.accuracy == 1.0
        assert answer.majority_accuracy == pytest.approx(1 / 12)
    noise = some._replace(embeddings=generator.standard_normal((240, 2)).astype(np.float32))
    for answer in protocols.retrieval(noise.take(np.arange(240) < 120), noise.take(np.arange(240) >= 120)):
        assert answer.accuracy < 0.25


def test_triplets_are_right_where_the_positive_is_nearer():
    far_apart, nothing = patterns(200, apart=50.0), patterns(200, apart=0.0)
    assert protocols.triplets("test_triplets", far_apart, 0).accuracy == 1
    assert protocols.triplets("training_triplets", patterns(8, apart=0.0)._replace(embeddings=np.zeros((8, 2))), 0) == (
        protocols.ProtocolScore("training_triplets", "triplets", 20_000, 0.5, 0.5)  # ties are half right
    )
    # 20,000 triplets of 200 patterns that differ in nothing
    assert protocols.triplets("test_triplets", nothing, 0).accuracy == pytest.approx(0.5, abs=0.04)


def test_triplets_by_hand():
    """A single hit at 0, which is its own positive; double ones at 1 and 3, each the other's: from 1, 0 is nearer."""
    answer = protocols.triplets("test_triplets", along_a_line("a", [0, 1, 3], [1, 2, 2]), 0)
    assert answer.accuracy == pytest.approx(0.75, abs=4 * 0.0025)  # 10,000 triplets of which half are right


@pytest.mark.parametrize("seed", range(4))
def test_triplets_are_those_of_the_seed(monkeypatch, seed):
    monkeypatch.setattr(protocols, "N_PAIRS", 40)
    about, right = patterns(28, apart=1.0), 0.0
    generator = np.random.default_rng(seed)
    places = [[row for row in range(28) if about.is_single[row] == which] for which in (True, False)]
    for mine, theirs in (places, places[::-1]):
        first = generator.integers(len(mine), size=20)
        steps = generator.integers(1, len(mine), 20)
        negatives = generator.choice(theirs, 20)
        for at, step, negative in zip(first, steps, negatives, strict=True):
            anchor, positive = mine[at], mine[(at + step) % len(mine)]
            near, far = (((about.embeddings[anchor] - about.embeddings[x]) ** 2).sum() for x in (positive, negative))
            right += near < far
    assert protocols.triplets("test_triplets", about, seed).accuracy == right / 40


@pytest.mark.parametrize("n", [1, 15])
def test_the_nearest_vote(monkeypatch, n):
    monkeypatch.setattr(protocols, "NEIGHBOURS_OF_A_CLASS", n)
    generator = np.random.default_rng(1)
    known, about = generator.standard_normal((400, 2)), generator.standard_normal((50, 2))
    number = generator.integers(0, 3, 400)
    expected = []
    for point in about:
        nearest = sorted(range(400), key=lambda row, p=point: ((known[row] - p) ** 2).sum())
        votes = [sum(number[row] == which for row in nearest[:n]) for which in range(3)]
        expected.append(votes.index(max(votes)))
    assert protocols._voted(known, number, about).tolist() == expected
