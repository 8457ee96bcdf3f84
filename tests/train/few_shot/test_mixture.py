"""Means that settle among unlabelled patterns, and mixtures of scores: against slow loops and by hand."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from support.made.clouds import asked, clouds, mean, squared
from train.few_shot import classifiers
from train.few_shot.mixture import SETTLING, TINY, WIDENED, by_mixture, settled
from train.few_shot.support import SupportSet


def settle(known, points):
    """Of two kinds: single hits, and double ones."""
    return settled(known.embeddings, np.where(known.is_single, 1, 2), points)


def test_means_settle_where_the_patterns_are():
    """A sample that lies elsewhere: by the known means nearly all of it is single; settled, as its own means say."""
    known, new = clouds(300, 300, apart=3.0), clouds(150, 250, apart=3.0, seed=4)
    moved = new.embeddings + np.float32(2.2)
    without = ((classifiers.by_centroid(known)(moved) > 0) == new.is_single).mean()
    settled = ((settle(known, moved) > 0) == new.is_single).mean()
    best = ((classifiers.by_centroid(SupportSet(moved, new.is_single))(moved) > 0) == new.is_single).mean()
    assert without < 0.6
    assert settled >= best - 0.02


def test_settled_is_lloyds_algorithm():
    """Of three kinds, by loops."""
    generator = np.random.default_rng(2)
    kinds, points = np.arange(60) % 3 + 1, asked(60)
    known = generator.normal(size=(60, 3)) + kinds[:, None]
    means = [mean(known[kinds == kind]) for kind in (1, 2, 3)]
    for _ in range(100):
        nearest = [min(range(3), key=lambda k, p=point: squared(p, means[k])) for point in points]
        members = [[p for p, near in zip(points, nearest, strict=True) if near == k] for k in range(3)]
        means = [mean(some) if some else old for some, old in zip(members, means, strict=True)]
    expected = [min(squared(point, means[k]) for k in (1, 2)) - squared(point, means[0]) for point in points]
    np.testing.assert_allclose(settled(known, kinds, points), expected, rtol=1e-4, atol=1e-4)


def test_means_settle_by_hand():
    """Of single hits at 0 and triple ones at 10, and patterns at 8 and 9, all near the latter: it moves to 8.5."""
    known, numbers = np.array([[0.0], [10.0]], np.float32), np.array([1, 3])
    found = settled(known, numbers, np.array([[8.0], [9.0]], np.float32))
    assert found.tolist() == [0.25 - 64, 0.25 - 81]
    assert found.dtype == np.float64
    with pytest.raises(ValueError, match=r"^2 of 2 known patterns are single hits; label at least one single hit and"):
        settled(known, np.array([1, 1]), known)


@pytest.mark.parametrize("steps", [1, 2])
def test_means_settle_in_so_many_steps(steps, monkeypatch):
    """Of single hits at 0 and double ones at 10."""
    known, numbers = np.array([[0.0], [10.0]]), np.array([1, 2])
    points = np.array([[0.0], [4.0], [6.0], [7.0]])  # means 2 and 6.5, then 4 is nearer to 2: they stay
    monkeypatch.setattr("train.few_shot.mixture.SETTLING", steps)
    single, multiple = 2.0, 6.5
    expected = [(x - multiple) ** 2 - (x - single) ** 2 for x in points[:, 0]]
    np.testing.assert_allclose(settled(known, numbers, points), expected)
    # 0, 4.9 | 5.1, 5.2: means 2.45 and 5.15, so 4.9 changes sides: 0 and 5.0667.
    points = np.array([[0.0], [4.9], [5.1], [5.2]])
    single, multiple = [(2.45, 5.15), (0.0, 15.2 / 3)][steps - 1]
    expected = [(x - multiple) ** 2 - (x - single) ** 2 for x in points[:, 0]]
    np.testing.assert_allclose(settled(known, numbers, points), expected)


def test_a_mean_without_patterns_stays():
    known = clouds(20, 20, apart=50.0)
    single = known.embeddings[known.is_single][:5]
    mine, other = mean(single), mean(known.embeddings[~known.is_single])
    expected = [squared(point, other) - squared(point, mine) for point in single]
    np.testing.assert_allclose(settle(known, single), expected, rtol=1e-5)


def sample(n_single=120, n_multiple=120, offset=2.0, apart=3.0, seed=4):
    """(scores, photons, truth): the threshold lies elsewhere by `offset`, and photons tell multiple hits."""
    generator = np.random.default_rng(seed)
    is_single = np.arange(n_single + n_multiple) < n_single
    scores = np.where(is_single, apart / 2, -apart / 2) + generator.normal(size=len(is_single)) - offset
    particles = np.where(is_single, 1, generator.integers(2, 5, len(is_single)))
    return scores, 300 * particles * generator.normal(1, 0.05, len(is_single)), is_single


def slow_mixture(scores, photons, steps=SETTLING):
    """Expectation maximisation of two normal clouds, density after density, from what the scores say."""
    points = np.stack([scores, np.log(np.maximum(photons, 1))], axis=1)
    steady = np.ptp(points, axis=0) == 0
    points = np.where(steady, 0, (points - points.mean(axis=0)) / np.where(steady, 1, points.std(axis=0)))
    belongs = 1 / (1 + np.exp(-scores))
    for _ in range(steps):
        logs = []
        for weights in (belongs, 1 - belongs):
            centre = np.average(points, axis=0, weights=weights)
            covariance = np.cov(points.T, aweights=weights, ddof=0) + WIDENED * np.eye(2)
            logs.append(np.log(weights.mean()) + multivariate_normal(centre, covariance).logpdf(points))
        belongs = 1 / (1 + np.exp(logs[1] - logs[0]))
    return logs[0] - logs[1]


@pytest.mark.parametrize("offset", [0.0, 1.0, 2.5])
def test_a_sample_shows_where_its_single_hits_end(offset):
    """Its threshold is another than that learned, which many answers go wrong by; photons tell all of it."""
    scores, photons, is_single = sample(offset=offset)
    found = by_mixture(scores, photons)
    assert ((found > 0) == is_single).mean() >= 0.99
    assert ((found > 0) == (slow_mixture(scores, photons) > 0)).mean() >= 0.99


@pytest.mark.parametrize("unit", [1, 250, 400])
def test_mixtures_are_expectation_maximisation(unit):
    """Log-odds up to where probabilities are alike; of a photon or two, those of less than one count as one."""
    scores, photons, _ = sample()
    least = np.log(TINY)
    expected = np.clip(slow_mixture(scores, photons / unit), least, -least)
    np.testing.assert_allclose(by_mixture(scores, photons / unit), expected, atol=1e-3)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_mixture_begins_where_the_scores_say(steps, monkeypatch):
    """After a step or two the answer still hangs on the beginning: shares, means and covariances, of 60 and 180."""
    scores, photons, _ = sample(n_single=60, n_multiple=180)
    monkeypatch.setattr("train.few_shot.mixture.SETTLING", steps)
    least = np.log(TINY)
    expected = np.clip(slow_mixture(scores, photons, steps + 1), least, -least)  # one that only says where to begin
    np.testing.assert_allclose(by_mixture(scores, photons), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("photons", [1.0, 7.0, 1234.5])
def test_brightness_that_never_changes_says_nothing(photons, monkeypatch):
    """The mean of equal logarithms is rounded, but for that of 1: their deviation is then not 0."""
    monkeypatch.setattr("train.few_shot.mixture.SETTLING", 2)
    scores, _, _ = sample()
    photons = np.full(len(scores), photons)
    least = np.log(TINY)
    expected = np.clip(slow_mixture(scores, photons, 3), least, -least)
    np.testing.assert_allclose(by_mixture(scores, photons), expected, rtol=1e-9, atol=1e-9)


def test_three_patterns_of_either_are_enough():
    scores, photons = np.repeat([40.0, -40.0], 3), np.array([1.0, 1.1, 1.2, 2.0, 2.2, 2.1]) * 300
    np.testing.assert_allclose(by_mixture(scores, photons), np.sign(scores) * -np.log(TINY), atol=1e-6)
    np.testing.assert_array_equal(by_mixture(scores[:5], photons[:5]), scores[:5])


@pytest.mark.parametrize("n_multiple", [60, 600])
def test_clouds_may_have_any_share(n_multiple):
    scores, photons, is_single = sample(n_single=120, n_multiple=n_multiple, offset=1.0)
    found = by_mixture(scores, photons) > 0
    assert min(found[is_single].mean(), (~found[~is_single]).mean()) >= 0.97


def test_photons_that_tell_nothing_are_not_heard():
    """As in a beam that jitters: no worse than the scores by more than a fifth of their errors."""
    scores, _, is_single = sample(n_single=1000, n_multiple=1000, offset=0.0)
    photons = np.exp(np.random.default_rng(1).uniform(0, 5, len(scores)))
    wrong, before = (((some > 0) != is_single).mean() for some in (by_mixture(scores, photons), scores))
    assert wrong <= 1.2 * before


def test_where_nearly_all_are_alike_the_scores_stay():
    scores, photons, _ = sample(n_single=60, n_multiple=2, offset=0.0, apart=12.0)
    np.testing.assert_array_equal(by_mixture(scores, photons), scores)
