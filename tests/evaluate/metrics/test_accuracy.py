"""Recall, precision and intervals, by hand and against scipy."""

import numpy as np
import pytest
from scipy.stats import binomtest

from evaluate.metrics import accuracy as metrics


@pytest.mark.filterwarnings("error")
def test_recall_and_precision_by_hand() -> None:
    matrix = np.array([[3, 1, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(metrics.recall(matrix), [3 / 4, 2 / 4, np.nan, 1])
    np.testing.assert_allclose(metrics.precision(matrix), [3 / 5, 2 / 3, np.nan, 1])


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (7, 10), (8800 * 2 // 3, 8800), (1, 1)])
def test_wilson_interval_against_scipy(right: int, n: int) -> None:
    expected = binomtest(right, n).proportion_ci(confidence_level=0.95, method="wilson")
    # 1e-6: Z_95 is given to seven digits.
    np.testing.assert_allclose(metrics.wilson_interval(right / n, n), (expected.low, expected.high), atol=1e-6)


def test_wilson_interval_stays_within_zero_and_one() -> None:
    """Rounded, it would end beyond 1 for every third n."""
    ends = [metrics.wilson_interval(accuracy, n) for n in range(1, 100) for accuracy in (0.0, 1.0)]
    assert min(low for low, _ in ends) == 0
    assert max(high for _, high in ends) == 1


@pytest.mark.parametrize(("accuracy", "n"), [(0.5, 0), (1.1, 10), (-0.1, 10), (float("nan"), 10)])
def test_wilson_interval_refuses_what_is_no_fraction(accuracy: float, n: int) -> None:
    with pytest.raises(ValueError, match="expected a fraction"):
        metrics.wilson_interval(accuracy, n)
