"""Classifiers on embeddings: against slow loops, and what is true of each of them."""

import math

import numpy as np
import pytest

from support.made.clouds import asked, clouds, mean, squared
from train.few_shot import classifiers
from train.few_shot.classifiers import CLASSIFIERS, N_NEIGHBOURS
from train.few_shot.logistic import probability
from train.few_shot.support import SupportSet


def slow_centroid(known, point):
    single, multiple = (mean(known.embeddings[known.is_single == which]) for which in (True, False))
    return squared(point, multiple) - squared(point, single)


def slow_nearest(known, point):
    single, multiple = (
        min(squared(point, other) for other in known.embeddings[known.is_single == which]) for which in (True, False)
    )
    return multiple - single


def slow_neighbours(known, point):
    n_of = {which: sum(bool(answer) == which for answer in known.is_single) for which in (True, False)}
    n = min(N_NEIGHBOURS, *n_of.values())
    n -= n % 2 == 0
    order = sorted(range(len(known.is_single)), key=lambda row: squared(point, known.embeddings[row]))
    total = 0.0
    for row in order[:n]:
        which = bool(known.is_single[row])
        total += (1 if which else -1) * len(order) / (2 * n_of[which])
    return total / n


@pytest.mark.parametrize(
    ("n_single", "n_multiple"), [(30, 50), (4, 4), (1, 1), (3, 8), (1, 30), (8, 7), (9, 4), (300, 400), (1, 400)]
)
@pytest.mark.parametrize(
    ("name", "slow"), [("centroid", slow_centroid), ("nearest", slow_nearest), ("neighbours", slow_neighbours)]
)
def test_classifiers_are_the_loops(name, slow, n_single, n_multiple):
    known, points = clouds(n_single, n_multiple), asked()
    expected = [slow(known, point) for point in points]
    np.testing.assert_allclose(CLASSIFIERS[name](known)(points), expected, rtol=1e-5, atol=1e-5)


def test_between_means_answers_as_they_do_with_the_odds_of_two_clouds():
    """Of normal clouds of covariance 1 log-odds are half the difference of the squared distances to their means.

    Within four standard errors, by the Fisher information of the steepness; 1 for the means, known to 1/sqrt(n).
    """
    known, points = clouds(6000, 2000), asked()
    distances = classifiers.by_centroid(known)(points)
    steepness = classifiers.between_means(known).scores(points) / distances
    np.testing.assert_allclose(steepness, steepness[0], rtol=1e-3)  # the distances are of float32
    odds = classifiers.by_centroid(known)(known.embeddings) / 2
    p = probability(odds)
    information = (odds**2 * p * (1 - p)).sum()
    assert 2 * steepness[0] == pytest.approx(1, abs=4 / np.sqrt(information))


def test_between_means_by_hand():
    """Of one single hit at 2 and one double hit at 0, the cost of log-odds s of the two is 2 ln(1 + e^-s) + s²/2.

    So s is 2 / (1 + e^s), about 0.675; midway between the two the odds are even.
    """
    known = SupportSet(np.array([[2.0], [0.0]]), np.array([True, False]))
    single, multiple, middle = classifiers.between_means(known).scores(np.array([[2.0], [0.0], [1.0]]))
    assert single == pytest.approx(2 / (1 + math.exp(single)), abs=1e-4)
    assert single == pytest.approx(0.675, abs=1e-3)
    assert (multiple, middle) == (pytest.approx(-single), pytest.approx(0, abs=1e-12))


def test_between_means_is_finite_where_nothing_overlaps_or_everything_does():
    apart, alike = clouds(20, 20, apart=1e3), clouds(20, 20)._replace(embeddings=np.ones((40, 3), np.float32))
    assert np.isfinite(classifiers.between_means(apart).scores(apart.embeddings)).all()
    assert (classifiers.between_means(alike).scores(alike.embeddings) == 0).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_blocks_do_not_show(name, monkeypatch):
    known, points = clouds(12, 20), asked(11)
    whole = CLASSIFIERS[name](known)(points)
    monkeypatch.setattr("train.few_shot.support.AT_ONCE", 4)
    np.testing.assert_allclose(CLASSIFIERS[name](known)(points), whole, rtol=1e-12)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("n", [1, 2, 5, 7, 8, 100])
def test_clouds_that_lie_apart_are_told_apart(name, n):
    """However few are known: all of seven and eight patterns voting would have said nothing."""
    known, unseen = clouds(n, n + 1, apart=20), clouds(50, 50, apart=20, seed=1)
    scores = CLASSIFIERS[name](known)(unseen.embeddings)
    np.testing.assert_array_equal(scores > 0, unseen.is_single)


@pytest.mark.parametrize("name", ["centroid", "nearest", "regression"])
def test_classes_weigh_alike(name):
    """The same multiple hits twenty times over say nothing new."""
    known, points = clouds(9, 9), asked()
    times = np.where(known.is_single, 1, 20)
    repeated = SupportSet(np.repeat(known.embeddings, times, axis=0), np.repeat(known.is_single, times))
    if name == "regression":  # its prior weighs less against more patterns, and they are scaled by all of them
        assert np.mean((CLASSIFIERS[name](repeated)(points) > 0) == (CLASSIFIERS[name](known)(points) > 0)) > 0.9
    else:
        np.testing.assert_allclose(CLASSIFIERS[name](repeated)(points), CLASSIFIERS[name](known)(points), rtol=1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_far_from_the_origin_nothing_is_lost(name):
    """Squares of 1e4 in float32 leave no digit for distances of 1."""
    known, points = clouds(20, 20), asked()
    far = SupportSet(known.embeddings + np.float32(8192), known.is_single)
    moved = CLASSIFIERS[name](far)(points + np.float32(8192))
    near = CLASSIFIERS[name](SupportSet(far.embeddings - np.float32(8192), far.is_single))(points)
    assert np.mean((moved > 0) == (near > 0)) > 0.95
    np.testing.assert_allclose(moved, near, atol=0.3 if name == "neighbours" else 0.05)
