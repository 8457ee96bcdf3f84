"""p(single) that is right is found to be, and one that is too sure is found out."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from evaluate.single_hit.calibration import calibration_error, reliability


def error(scores, is_single):
    return calibration_error(pd.DataFrame(reliability(scores, is_single)))


def test_probabilities_that_are_right_err_by_chance_alone():
    generator = np.random.default_rng(0)
    scores = generator.normal(0, 2, 20_000)
    is_single = generator.random(len(scores)) < expit(scores)
    rows = pd.DataFrame(reliability(scores, is_single))
    assert rows["n"].sum() == len(scores)
    assert (np.abs(rows["mean_p"] - rows["single"]) < 4 * 0.5 / np.sqrt(rows["n"])).all()
    assert error(scores, is_single) < 0.02
    # Twice as sure as it should be: by the mean of |expit(2 s) - expit(s)| over these scores.
    assert error(2 * scores, is_single) == pytest.approx(np.abs(expit(2 * scores) - expit(scores)).mean(), abs=0.02)


def test_a_bin_is_by_hand():
    rows = reliability(np.array([-10.0, 10.0, 10.0, 0.0]), np.array([False, True, False, True]))
    assert [(row["from_p"], row["n"], row["single"]) for row in rows] == [(0.0, 1, 0.0), (0.5, 1, 1.0), (0.9, 2, 0.5)]
    assert error(np.array([0.0, 0.0]), np.array([True, True])) == pytest.approx(0.5)
