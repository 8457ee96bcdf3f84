"""Purity and yield against counting, and whether chosen thresholds keep their promise."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from evaluate.metrics.accuracy import wilson_interval
from evaluate.metrics.by_target import operating_points
from evaluate.metrics.operating_points import Z, purity_yield, threshold_for
from frames.targets import Target


def scored(n: int, distance: float, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores, normal, of which single hits, a quarter, are higher by `distance`."""
    rng = np.random.default_rng(seed)
    is_single = rng.random(n) < 0.25
    return rng.normal(size=n) + distance * is_single, is_single


def predictions(validation: tuple, test: tuple) -> pd.DataFrame:
    rows = [
        pd.DataFrame({"split": split, "p_hit_multiplicity_1": score, "hit_multiplicity": np.where(single, 1, 2)})
        for split, (score, single) in (("validation", validation), ("test", test))
    ]
    return pd.concat(rows, ignore_index=True)


def points(table: pd.DataFrame) -> pd.DataFrame:
    """Of single hits, without what question that is."""
    found = operating_points(table, [Target("hit_multiplicity", (1, 2), kept=1)])
    assert (found.pop("target") == "hit_multiplicity").all()
    return found


@pytest.mark.parametrize("decimals", [10, 1, 0])
def test_purity_and_yield_against_a_double_loop(decimals: int) -> None:
    score, is_single = scored(200, 2, seed=0)
    score = score.round(decimals)  # with many ties, at last
    thresholds, purity, found = purity_yield(score, is_single)
    assert list(thresholds) == sorted(set(score), reverse=True)
    for threshold, p, y in zip(thresholds, purity, found, strict=True):
        kept = [single for s, single in zip(score, is_single, strict=True) if s >= threshold]
        assert p == pytest.approx(sum(kept) / len(kept))
        assert y == pytest.approx(sum(kept) / sum(is_single))


def test_purity_and_yield_by_hand() -> None:
    result = purity_yield([0.9, 0.5, 0.5, 0.1], [True, False, True, False])
    np.testing.assert_allclose(result, ([0.9, 0.5, 0.1], [1, 2 / 3, 1 / 2], [1 / 2, 1, 1]))


def test_scores_may_be_whole_numbers_without_a_sign() -> None:
    result = purity_yield(np.array([0, 3, 1], np.uint8), [True, True, False])
    np.testing.assert_allclose(result, ([3, 1, 0], [1, 1 / 2, 2 / 3], [1 / 2, 1 / 2, 1]))


def test_a_head_that_says_the_same_of_all_has_one_threshold() -> None:
    np.testing.assert_allclose(purity_yield([0.25] * 4, [True, False, False, False]), ([0.25], [0.25], [1]))


def test_no_single_hit_has_no_yield() -> None:
    with pytest.raises(ValueError, match="no single hit among 2 patterns"):
        purity_yield([0.1, 0.2], [False, False])


def test_threshold_is_of_the_highest_yield_that_wilson_trusts() -> None:
    """All of n right has the one-sided lower bound n / (n + z²): for 95 % it takes 52 patterns, 51.4."""
    for n, trusted in ((51, False), (52, True)):
        score, is_single = np.r_[np.full(n, 0.9), np.full(50, 0.1)], np.arange(n + 50) < n
        assert threshold_for(0.95, score, is_single) == (
            pytest.approx(0.9) if trusted else pytest.approx(np.nan, nan_ok=True)
        )
    # A bound that is the target itself will do.
    assert threshold_for(wilson_interval(1.0, 52, Z)[0], np.full(52, 0.9), np.ones(52, bool)) == 0.9
    # With one wrong among 200 at 0.5, and half wrong below: 0.5 is trusted for 95 %, and yields more than 0.9.
    score = np.repeat([0.9, 0.5, 0.1], [100, 101, 100])
    is_single = np.r_[np.ones(200, bool), np.zeros(1, bool), np.tile([True, False], 50)]
    assert threshold_for(0.95, score, is_single) == pytest.approx(0.5)


def test_chosen_thresholds_keep_their_promise_on_new_patterns() -> None:
    """Purity of the whole population, in closed form, at thresholds chosen on 2,000 patterns, 200 times.

    A single look at the interval would fall short 5 times in 100; looking at every threshold may double that.
    """
    distance, target, short, naive = 3.0, 0.95, 0, 0

    def true_purity(threshold: float) -> float:
        single, other = 0.25 * norm.sf(threshold - distance), 0.75 * norm.sf(threshold)
        return single / (single + other)

    for seed in range(200):
        score, is_single = scored(2000, distance, seed)
        short += true_purity(threshold_for(target, score, is_single)) < target
        thresholds, purity, _ = purity_yield(score, is_single)
        naive += true_purity(thresholds[np.flatnonzero(purity >= target)[-1]]) < target
    assert short <= 0.1 * 200 + 3 * np.sqrt(200 * 0.1 * 0.9)
    assert naive > 0.3 * 200  # what the interval is there for


def test_thresholds_are_chosen_on_validation_and_judged_on_test() -> None:
    validation = np.repeat([0.9, 0.2], [400, 400]), np.arange(800) < 400
    test = np.array([0.95, 0.9, 0.9, 0.2, 0.1]), np.array([True, True, False, True, False])
    found = points(predictions(validation, test))
    np.testing.assert_allclose(found, [[0.95, 0.9, 2 / 3, 2 / 3, 5, 3 / 5], [0.99, 0.9, 2 / 3, 2 / 3, 5, 3 / 5]])
    assert list(found.columns) == ["target_purity", "threshold", "purity", "yield", "n_test", "single_fraction"]


def test_a_purity_out_of_reach_is_a_row_of_nan() -> None:
    noise = scored(2000, 0, seed=1)
    found = points(predictions(noise, noise))
    assert list(found["target_purity"]) == [0.95, 0.99]
    assert found[["threshold", "purity", "yield"]].isna().all(axis=None)
    np.testing.assert_allclose(found["single_fraction"], noise[1].mean())


@pytest.mark.filterwarnings("error")
def test_where_nothing_is_kept_there_is_no_purity() -> None:
    validation = np.repeat([0.9, 0.2], [400, 400]), np.arange(800) < 400
    found = points(predictions(validation, (np.array([0.1, 0.2]), np.array([True, False]))))
    assert found["purity"].isna().all()
    assert (found["yield"] == 0).all()


def test_a_run_without_single_hits_has_no_rows() -> None:
    found = operating_points(predictions(scored(10, 1, 0), scored(10, 1, 1)), [Target("hit_multiplicity", (2, 3))])
    assert found.empty
    assert list(found.columns) == [
        *("target", "target_purity", "threshold", "purity", "yield", "n_test", "single_fraction"),
    ]
