"""Temperatures and calibration errors against hand counts, known temperatures and expected noise."""

import logging

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from evaluate.metrics import by_target, calibration
from evaluate.metrics.calibration import Head
from frames.targets import shot_targets

SHOTS = shot_targets(["a", "b", "c"], [0, 1, 2])


def logits(n: int, k: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits (n, k) and, drawn from their softmax, what is right: calibrated."""
    rng = np.random.default_rng(seed)
    scores = 2 * rng.normal(size=(n, k))
    truth = (softmax(scores, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return scores, truth


def table(n: int, over: float, seed: int = 0) -> pd.DataFrame:
    """Predictions of structures a, b, c and of 0, 1 or 2 particles, too sure by this factor; a third validates."""
    count, multiplicity = logits(n, 3, seed)
    particle, structure = logits(n, 3, seed + 1)
    names = np.where(multiplicity > 0, np.array(["a", "b", "c"])[structure], "none")
    split = np.where(np.arange(n) < n // 3, "validation", "test")
    columns = {"split": split, "structure": names, "hit_multiplicity": multiplicity}
    for prefix, labels, scores in (("p_hit_multiplicity", "012", count), ("p_structure", "abc", particle)):
        columns |= {f"{prefix}_{x}": p for x, p in zip(labels, softmax(over * scores, axis=1).T, strict=True)}
    return pd.DataFrame(columns)


def test_ece_by_hand() -> None:
    """Two bins of two: confidence 0.55 and 0.95, right half the time and always."""
    confidence, right = [0.9, 0.5, 1.0, 0.6], [True, False, True, True]
    assert calibration.expected_calibration_error(confidence, right, n_bins=2) == pytest.approx((0.05 + 0.05) / 2)
    assert calibration.expected_calibration_error(confidence, right, n_bins=1) == pytest.approx(0)
    curve = calibration.reliability_curve(confidence, right, n_bins=2)
    np.testing.assert_allclose(curve, ([0.55, 0.95], [0.5, 1.0], [2, 2]))


def test_ece_is_a_mean_over_patterns_not_over_bins() -> None:
    """Three equal confidences of 1/2, right once, share a bin: it weighs three times as much as that of the fourth."""
    confidence, right = [0.5, 0.5, 0.5, 1.0], [True, False, False, True]
    assert calibration.expected_calibration_error(confidence, right, n_bins=2) == pytest.approx(3 / 4 * (1 / 2 - 1 / 3))
    # As columns of a table may hold them, which numpy adds up no bins of.
    of_objects = np.array(confidence, object), np.array(right, object)
    assert calibration.expected_calibration_error(*of_objects, n_bins=2) == pytest.approx(1 / 8)


@pytest.mark.parametrize(("n", "n_bins"), [(15, 15), (100, 15), (7, 15), (1, 15), (64, 4)])
def test_bins_hold_equally_many_of_different_confidences(n: int, n_bins: int) -> None:
    rng = np.random.default_rng(n)
    curve = calibration.reliability_curve(rng.random(n), rng.random(n) < 0.5, n_bins)
    assert curve.n.sum() == n
    assert len(curve.n) == min(n, n_bins)
    assert np.ptp(curve.n) <= 1
    assert (np.diff(curve.confidence) > 0).all()


def test_equal_confidences_share_a_bin_in_any_order() -> None:
    """As of a tree, which knows few probabilities. One value is right 3 times in 4, the other always."""
    confidence = np.repeat([0.75, 1.0], [40, 60])
    right = np.r_[np.tile([True, True, True, False], 10), np.ones(60, bool)]
    order = np.random.default_rng(0).permutation(100)
    for rows in (slice(None), order):
        curve = calibration.reliability_curve(confidence[rows], right[rows])
        np.testing.assert_allclose(curve, ([0.75, 1.0], [0.75, 1.0], [40, 60]))
        assert calibration.expected_calibration_error(confidence[rows], right[rows]) == pytest.approx(0)


def test_ece_of_a_calibrated_head_is_what_chance_leaves() -> None:
    """The mean of |normal(0, s)| is s √(2/π); here s = √(p(1−p)/n) of each bin, and 15 bins are averaged."""
    n, p = 3000, 0.9
    rng = np.random.default_rng(0)
    found = [calibration.expected_calibration_error(p + 1e-9 * rng.random(n), rng.random(n) < p) for _ in range(100)]
    each = np.sqrt(p * (1 - p) / (n / 15))
    # Four standard errors of 1,500 independent bins; the normal limit is off by less with 20 wrong in a bin.
    tolerance = 4 * each * np.sqrt((1 - 2 / np.pi) / 1500)
    assert np.mean(found) == pytest.approx(each * np.sqrt(2 / np.pi), abs=tolerance)


@pytest.mark.parametrize("over", [0.5, 1.0, 3.0])
def test_the_temperature_that_a_head_was_sharpened_by_is_found(over: float) -> None:
    """Within four standard errors: the Fisher information of log T at the truth is the mean variance of the logits."""
    n = 4000
    scores, truth = logits(n, 5)
    p = softmax(scores, axis=1)
    variance = (p * scores**2).sum(axis=1) - (p * scores).sum(axis=1) ** 2
    found = calibration.best_temperature(Head(softmax(over * scores, axis=1), truth))
    assert np.log(found) == pytest.approx(np.log(over), abs=4 / np.sqrt(n * variance.mean()))


def test_the_temperature_found_is_the_best_of_a_grid() -> None:
    scores, truth = logits(300, 4)
    head = Head(softmax(2 * scores, axis=1), truth)
    grid = np.exp(np.linspace(0, 1.4, 141))
    losses = [slow_loss(head, temperature) for temperature in grid]
    assert calibration.best_temperature(head) == pytest.approx(grid[np.argmin(losses)], rel=0.01)  # the grid's step


def slow_loss(head: Head, temperature: float) -> float:
    """What is minimised, pattern after pattern: one right answer more and one wrong one, spread as the head has it."""
    n, total = len(head.labels), 0.0
    for p, truth in zip(head.probabilities, head.labels, strict=True):
        scaled = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
        total -= (n + 1) / (n + 2) * np.log(scaled[truth])
        for other in set(range(len(p))) - {int(truth)}:
            total -= p[other] / (p.sum() - p[truth]) / (n + 2) * np.log(scaled[other])
    return total


def test_smoothed_truths_by_hand() -> None:
    """Of two patterns, 3/4 for the truth; 1/4 for the others, 0.1 and 0.3 of which share it as 1 to 3."""
    head = Head(np.array([[0.6, 0.1, 0.3], [0.5, 0.0, 0.5]]), np.array([0, 2]))
    expected = [[3 / 4, 1 / 16, 3 / 16], [1 / 4, 0, 3 / 4]]
    np.testing.assert_allclose(calibration.smoothed(head), expected, atol=1e-11)  # 0 stands for the floor
    certain = Head(np.array([[1.0, 0.0, 0.0]]), np.array([0]))
    np.testing.assert_allclose(calibration.smoothed(certain), [[2 / 3, 1 / 6, 1 / 6]])


def test_likelihood_and_probabilities_at_a_temperature_by_hand() -> None:
    head = Head(np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([0, 1]))
    assert calibration.negative_log_likelihood(head) == pytest.approx(-(np.log(0.2) + np.log(0.5)) / 2)
    # At T = 1/2 probabilities are squared: 0.04 to 0.64.
    np.testing.assert_allclose(calibration.tempered(head.probabilities, 0.5), [[1 / 17, 16 / 17], [0.5, 0.5]])


def test_probabilities_are_scaled_in_double_precision_and_as_they_are_by_default() -> None:
    single = np.array([[0.2, 0.8]], np.float32)
    found = calibration.log_likelihoods(single)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.log(single.astype(float) / single.astype(float).sum()), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.07, 2.0, 15.0])
def test_a_temperature_within_the_range_is_found_without_a_warning(
    temperature: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Three answers of four are right, 5/6 of each: 2/3 with those of the wrong one's 1/6. Odds are 2 to 1 where they
    were raised to the power of the temperature."""
    sure = 1 / (1 + 2.0**-temperature)
    head = Head(np.tile([sure, 1 - sure], (4, 1)), np.array([0, 0, 0, 1]))
    with caplog.at_level(logging.WARNING):
        assert calibration.best_temperature(head) == pytest.approx(temperature, rel=1e-4)
    assert not caplog.text


def test_a_head_that_is_always_wrong_is_scaled_to_the_other_end(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = calibration.best_temperature(Head(np.tile([0.6, 0.4], (5, 1)), np.ones(5, int)))
    assert found == pytest.approx(calibration.TEMPERATURES[1], rel=1e-3)
    assert "an end of the range" in caplog.text


def test_each_head_has_a_temperature_of_its_own() -> None:
    predictions = table(3000, over=1)
    power = {"p_hit_multiplicity": 3.0, "p_structure": 0.5}
    for prefix, over in power.items():
        columns = [column for column in predictions if column.startswith(prefix)]
        raised = predictions[columns] ** over
        predictions[columns] = raised.div(raised.sum(axis=1), axis=0)
    found = by_target.calibration(predictions, SHOTS).set_index("target")["temperature"]
    np.testing.assert_allclose(found[["hit_multiplicity", "structure", "hit_multiplicity_1"]], [3, 0.5, 3], rtol=0.3)
    scaled = by_target.calibrated(predictions, SHOTS)
    for target in SHOTS:
        before, after = (by_target.head_of(of, target).probabilities for of in (predictions, scaled))
        np.testing.assert_allclose(after, calibration.tempered(before, found[target.name]))


def test_the_only_answer_there_is_has_no_temperature() -> None:
    assert calibration.best_temperature(Head(np.ones((5, 1)), np.zeros(5, int))) == 1


def test_impossible_answers_that_are_right_cost_the_floor() -> None:
    head = Head(np.array([[1.0, 0.0]]), np.array([1]))
    assert calibration.negative_log_likelihood(head) == pytest.approx(-np.log(calibration.FLOOR))


@pytest.mark.parametrize("n", [2, 20, 1200])
@pytest.mark.parametrize("sure", [0.6, 0.99, 1 - 1e-9])
def test_a_head_without_mistakes_is_as_sure_as_its_patterns_allow(
    sure: float, n: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Of all patterns alike, the mean is least where the answer has (n + 1)/(n + 2), Laplace's rule of succession."""
    head = Head(np.tile([sure, 1 - sure], (n, 1)), np.zeros(n, int))
    with caplog.at_level(logging.WARNING):
        found = calibration.best_temperature(head)
    assert found == pytest.approx(np.log(sure / (1 - sure)) / np.log(n + 1), rel=1e-4)
    assert calibration.tempered(head.probabilities, found)[0, 0] == pytest.approx((n + 1) / (n + 2), rel=1e-4)
    assert not caplog.text


def test_a_head_without_mistakes_has_no_greatest_likelihood() -> None:
    """So it cannot be what is maximised: each temperature is beaten by a lower one."""
    scores, _ = logits(200, 3)
    head = Head(softmax(scores, axis=1), scores.argmax(axis=1))
    losses = [calibration.negative_log_likelihood(head, temperature) for temperature in (2, 1, 0.5, 0.2, 0.1, 0.05)]
    assert (np.diff(losses) < 0).all()
    found = calibration.best_temperature(head)
    grid = np.exp(np.linspace(-2, 0, 201))
    assert found == pytest.approx(grid[np.argmin([slow_loss(head, temperature) for temperature in grid])], rel=0.01)
    assert found > 2 * calibration.TEMPERATURES[0]


def test_one_mistake_more_or_less_is_no_leap() -> None:
    """A mistake by a hair, that a head of 1,000 sure answers makes: of the likelihood alone, it would decide all."""
    sure = np.tile([0.9, 0.1], (1000, 1))
    hair = np.r_[sure, [[0.5001, 0.4999]]]
    without, with_it = (
        calibration.best_temperature(Head(p, truth))
        for p, truth in ((sure, np.zeros(1000, int)), (hair, np.r_[np.zeros(1000, int), 1]))
    )
    assert with_it == pytest.approx(without, rel=0.01)


def test_a_head_that_hardly_prefers_an_answer_is_scaled_to_an_end_and_said_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = Head(np.tile([0.51, 0.49], (50, 1)), np.zeros(50, int))
    with caplog.at_level(logging.WARNING):
        assert calibration.best_temperature(head) == pytest.approx(calibration.TEMPERATURES[0], rel=1e-3)
    assert "an end of the range" in caplog.text


def test_without_a_pattern_there_is_no_temperature() -> None:
    with pytest.raises(
        ValueError, match=r"^no validation pattern to fit a temperature to; raise plan\.patterns_per_class$"
    ):
        calibration.best_temperature(Head(np.empty((0, 2)), np.empty(0, int)))


def test_heads_are_the_columns_of_the_table() -> None:
    answers = pd.DataFrame(
        {
            "structure": ["b", "none", "a"],
            "hit_multiplicity": [2, 0, 1],
            "p_hit_multiplicity_0": [0.1, 0.6, 0.0],
            "p_hit_multiplicity_1": [0.2, 0.3, 0.5],
            "p_hit_multiplicity_2": [0.7, 0.1, 0.5],
            "p_structure_b": [0.9, 0.5, 0.3],
            "p_structure_a": [0.1, 0.5, 0.7],
        }
    )
    number, which = shot_targets(["b", "a"], [0, 1, 2])
    count, particle, single = (
        by_target.head_of(answers, target, kept) for target, kept in ((number, False), (which, False), (number, True))
    )
    np.testing.assert_array_equal(count.labels, [2, 0, 1])
    np.testing.assert_allclose(particle.probabilities, [[0.9, 0.1], [0.3, 0.7]])  # not asked where none was hit
    np.testing.assert_array_equal(particle.labels, [0, 1])
    np.testing.assert_allclose(single.probabilities, [[0.2, 0.8], [0.3, 0.7], [0.5, 0.5]])
    np.testing.assert_array_equal(single.labels, [1, 1, 0])
    singly = answers.astype({column: np.float32 for column in answers if column.startswith("p_")})
    assert by_target.head_of(singly, number).probabilities.dtype == np.float64


def test_calibrate_tells_what_overconfidence_costs_and_what_scaling_saves() -> None:
    predictions = table(6000, over=3)
    found = by_target.calibration(predictions, SHOTS).set_index("target")
    assert list(found.index) == ["hit_multiplicity", "structure", "hit_multiplicity_1"]
    seen = predictions[predictions["split"] == "test"]
    assert list(found["n_test"]) == [4000, (seen["hit_multiplicity"] > 0).sum(), 4000]
    assert found.loc["hit_multiplicity", "n_validation"] == 2000
    # Twice the tolerance of `best_temperature`'s own test, which had twice the patterns and more classes.
    np.testing.assert_allclose(found["temperature"], 3, rtol=0.2)
    assert found["temperature"]["hit_multiplicity_1"] == found["temperature"]["hit_multiplicity"]
    assert (found["nll_after"] < found["nll_before"]).all()
    assert (found["ece_after"] < found["ece_before"] / 2).all()


def test_test_rows_do_not_move_the_temperature() -> None:
    predictions = table(600, over=2)
    honest = by_target.calibration(predictions, SHOTS)
    is_test = predictions["split"] == "test"
    turned = predictions.copy()
    turned.loc[is_test, "hit_multiplicity"] = (turned.loc[is_test, "hit_multiplicity"] + 1) % 3
    other = by_target.calibration(turned, SHOTS)
    assert honest["temperature"].equals(other["temperature"])
    assert honest["nll_after"][0] < other["nll_after"][0]


def test_calibrated_changes_probabilities_alone() -> None:
    predictions = table(900, over=2).astype({"p_structure_a": np.float32})
    scaled = by_target.calibrated(predictions, SHOTS)
    assert list(scaled.columns) == list(predictions.columns)
    for prefix in ("p_hit_multiplicity", "p_structure"):
        before, after = predictions.filter(like=prefix), scaled.filter(like=prefix)
        np.testing.assert_allclose(after.sum(axis=1), 1)
        np.testing.assert_array_equal(before.to_numpy().argmax(axis=1), after.to_numpy().argmax(axis=1))
        assert (after.max(axis=1) < before.max(axis=1)).mean() > 0.9
    kept = ["split", "structure", "hit_multiplicity"]
    assert scaled[kept].equals(predictions[kept])


def test_a_run_without_single_hits_has_no_such_row() -> None:
    predictions = table(300, over=1).drop(columns="p_hit_multiplicity_1")
    predictions["hit_multiplicity"] = predictions["hit_multiplicity"].replace(1, 2)
    found = by_target.calibration(predictions, shot_targets(["a", "b", "c"], [0, 2]))
    assert list(found["target"]) == ["hit_multiplicity", "structure"]
