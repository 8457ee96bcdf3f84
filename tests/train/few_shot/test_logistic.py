"""Logistic regression on embeddings: against the written-out cost, and what must be true of a posterior."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from support.made.clouds import asked, clouds, mean
from train.few_shot.classifiers import CLASSIFIERS
from train.few_shot.logistic import WEIGHT_OF_PRIOR, Logistic, _posterior, adapt, by_regression, fit, probability
from train.few_shot.support import SupportSet


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


def test_networks_beside_each_other_weigh_alike_each_by_its_own_regression():
    """Log-odds are the mean of what each would say alone, so that the one that is surer of known patterns has no more
    of a say; and a few labels correct both."""
    generator = np.random.default_rng(0)
    is_single = generator.random(400) < 0.5
    sure = np.where(is_single, 3.0, -3.0)[:, None] + generator.normal(size=(400, 2))
    unsure = np.where(is_single, 0.5, -0.5)[:, None] + generator.normal(size=(400, 3))
    both = np.hstack([sure, unsure])
    found = fit(SupportSet(both, is_single, (2, 3)))
    alone = [fit(SupportSet(some, is_single)).scores(some) for some in (sure, unsure)]
    np.testing.assert_allclose(found.scores(both), np.mean(alone, axis=0))
    assert np.abs(found.scores(both) - fit(SupportSet(both, is_single)).scores(both)).max() > 0.5
    assert len(adapt(found, SupportSet(both[:20] + 1, is_single[:20])).coefficients) == 6
