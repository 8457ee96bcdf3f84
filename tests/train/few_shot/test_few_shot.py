"""Classifiers on embeddings: against slow loops, the written-out cost, and what must be true of a posterior."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from train.few_shot import classifiers
from train.few_shot.classifiers import CLASSIFIERS, N_NEIGHBOURS
from train.few_shot.logistic import WEIGHT_OF_PRIOR, Logistic, _posterior, adapt, by_regression, fit, probability
from train.few_shot.mixture import SETTLING, TINY, WIDENED, by_mixture, settled
from train.few_shot.support import SupportSet


def clouds(n_single, n_multiple, d=3, apart=1.5, seed=0):
    """Two clouds of embeddings, single hits first."""
    generator = np.random.default_rng(seed)
    is_single = np.arange(n_single + n_multiple) < n_single
    embeddings = generator.normal(size=(len(is_single), d)) + apart * is_single[:, None]
    return SupportSet(embeddings.astype(np.float32), is_single)


def asked(n=40, d=3, seed=9):
    return np.random.default_rng(seed).normal(0.7, 1.5, (n, d)).astype(np.float32)


def squared(one, other):
    return math.fsum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True))


def mean(points):
    return [math.fsum(map(float, component)) / len(points) for component in zip(*points, strict=True)]


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


def written_out(coefficients, embeddings, is_single, prior):
    """-log of likelihood times prior, pattern after pattern; both classes weigh half of all patterns."""
    total = WEIGHT_OF_PRIOR / 2 * math.fsum((a - b) ** 2 for a, b in zip(coefficients, prior, strict=True))
    weights = {which: len(is_single) / 2 / sum(other == which for other in is_single) for which in (True, False)}
    for embedding, answer in zip(embeddings, is_single, strict=True):
        score = math.fsum(a * b for a, b in zip(coefficients, embedding, strict=False)) + coefficients[-1]
        total += weights[bool(answer)] * math.log1p(math.exp(-score if answer else score))
    return total


def minimised(embeddings, is_single, prior):
    return minimize(written_out, prior, (embeddings, is_single, prior), "BFGS", options={"gtol": 1e-7}).x


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


@pytest.mark.parametrize(("n_single", "n_multiple"), [(30, 50), (2, 9), (1, 1)])
def test_regression_minimises_the_written_out_cost(n_single, n_multiple):
    known = clouds(n_single, n_multiple)
    fitted = fit(known)
    embeddings = known.embeddings.astype(np.float64)
    np.testing.assert_allclose(fitted.centre, mean(embeddings))
    np.testing.assert_allclose(fitted.scale, embeddings.std(axis=0))
    standardised = (embeddings - embeddings.mean(axis=0)) / embeddings.std(axis=0)
    np.testing.assert_allclose(fitted.coefficients, minimised(standardised, known.is_single, np.zeros(4)), atol=1e-4)
    point = asked(1)[0]
    terms = [
        c * (p - m) / s for c, p, m, s in zip(fitted.coefficients, point, fitted.centre, fitted.scale, strict=False)
    ]
    assert fitted.scores(point[None])[0] == pytest.approx(math.fsum(terms) + fitted.coefficients[-1])
    np.testing.assert_array_equal(by_regression(known)(asked()), fitted.scores(asked()))


@pytest.mark.parametrize(("n_single", "n_multiple"), [(1, 1), (5, 2), (40, 40)])
def test_adapting_minimises_the_written_out_cost_about_what_was_learned(n_single, n_multiple):
    fitted, labelled = fit(clouds(100, 100)), clouds(n_single, n_multiple, apart=-1.0, seed=5)
    adapted = adapt(fitted, labelled)
    standardised = (labelled.embeddings.astype(np.float64) - fitted.centre) / fitted.scale
    expected = minimised(standardised, labelled.is_single, fitted.coefficients)
    np.testing.assert_allclose(adapted.coefficients, expected, atol=1e-4)
    np.testing.assert_array_equal(adapted.centre, fitted.centre)
    np.testing.assert_array_equal(adapted.scale, fitted.scale)


@pytest.mark.parametrize("apart", [0.0, 1e3, 1e6])
def test_newton_arrives_where_classes_overlap_wholly_or_lie_far_apart(apart):
    known = clouds(50, 60, apart=apart)
    fitted = fit(known)
    features = np.column_stack(((known.embeddings - fitted.centre) / fitted.scale, np.ones(110)))
    p = 1 / (1 + np.exp(-features @ fitted.coefficients))
    weight = np.where(known.is_single, 55 / 50, 55 / 60)
    gradient = features.T @ (weight * (p - known.is_single)) + WEIGHT_OF_PRIOR * fitted.coefficients
    assert np.abs(gradient).max() < 1e-5
    start = np.full(4, 300.0)  # from where a full step overshoots
    found = _posterior(features[:, :3], known.is_single, start)
    p = 1 / (1 + np.exp(-np.clip(features @ found, -700, 700)))
    gradient = features.T @ (weight * (p - known.is_single)) + WEIGHT_OF_PRIOR * (found - start)
    assert np.abs(gradient).max() < 1e-4


def test_labels_without_information_leave_what_was_learned():
    """One pattern that is called single once and multiple once, where the odds were even already."""
    fitted = fit(clouds(100, 100))
    slope, offset = fitted.coefficients[:-1], fitted.coefficients[-1]
    even = fitted.centre - fitted.scale * slope * offset / (slope @ slope)
    adapted = adapt(fitted, SupportSet(np.stack([even, even]), np.array([True, False])))
    np.testing.assert_allclose(adapted.coefficients, fitted.coefficients, atol=1e-8)


def test_many_labels_that_contradict_what_was_learned_have_the_last_word_and_few_that_agree_change_little():
    fitted, opposite = fit(clouds(200, 200)), clouds(1000, 1000, apart=-1.5, seed=4)

    def right(classifier, apart):
        unseen = clouds(500, 500, apart=apart, seed=6)
        return np.mean((classifier.scores(unseen.embeddings) > 0) == unseen.is_single)

    assert right(adapt(fitted, clouds(2, 2, seed=3)), 1.5) > right(fitted, 1.5) - 0.03
    assert right(fitted, -1.5) < 0.5
    assert right(adapt(fitted, opposite), -1.5) > right(fit(opposite), -1.5) - 0.01 > 0.85


def test_a_component_that_never_changes_tells_nothing():
    """Though the mean of equal values is rounded, and their deviation is not zero to the bit."""
    known = clouds(500, 497)
    constant = np.full((997, 1), 0.1)
    assert constant.std() > 0
    fitted = fit(SupportSet(np.concatenate((known.embeddings, constant), axis=1), known.is_single))
    points = asked()
    one, other = (fitted.scores(np.column_stack((points, np.full(len(points), value)))) for value in (0.1, 0.2))
    np.testing.assert_allclose(one, fit(known).scores(points), atol=1e-6)
    np.testing.assert_allclose(other, one, atol=1e-6)


@pytest.mark.parametrize("is_single", [[True, True], [False], []])
def test_one_class_alone_is_an_error_that_says_what_to_label(is_single):
    known = SupportSet(np.zeros((len(is_single), 3)), np.array(is_single, bool))
    fitted = Logistic(np.zeros(3), np.ones(3), np.zeros(4))
    calls = [lambda classify=classify: classify(known) for classify in CLASSIFIERS.values()]
    for call in (*calls, lambda: fit(known), lambda: adapt(fitted, known)):
        with pytest.raises(ValueError, match="label at least one single hit and one multiple hit"):
            call()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_another_share_is_bayes_rule(share):
    """Scores are log-odds where both classes are as frequent, so their exponential is the ratio of likelihoods."""
    scores = np.linspace(-5, 5, 11)
    expected = [share * math.exp(s) / (share * math.exp(s) + (1 - share)) for s in scores]
    np.testing.assert_allclose(probability(scores, share), expected, rtol=1e-12)


def test_the_share_is_that_of_the_patterns():
    """Known, all classes as many; asked about, one single hit in ten: probabilities are frequencies."""
    fitted, asked_about = fit(clouds(4000, 4000)), clouds(2000, 18000, seed=2)
    p = probability(fitted.scores(asked_about.embeddings), 0.1)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        here = (p >= low) & (p < high)
        assert here.sum() > 100
        # A frequency of n patterns errs by 0.5/sqrt(n) at most.
        assert np.mean(asked_about.is_single[here]) == pytest.approx(
            p[here].mean(), abs=0.02 + 1.5 / np.sqrt(here.sum())
        )


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="single_share is"):
        probability(np.zeros(2), share)


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
