"""The rehearsal's rate: what this machine answers, less what the others on it need."""

import time

import numpy as np
import pytest

from screen.beamline.demo import SHARE, measured, share_of


def test_the_rate_is_that_of_the_network_alone():
    """Of one that takes 5 ms a batch, and no less; on a loaded machine longer."""
    asked = []

    def predict(images):
        asked.append(len(images))
        time.sleep(0.005)

    found = measured(predict, np.zeros((8, 4, 4), np.float32), seconds=0.2)
    assert set(asked) == {8}
    n = 8 * (len(asked) - 1)  # the first is not counted
    assert found <= 8 / 0.005
    assert found <= n / 0.2
    assert found == pytest.approx(n / 0.2, rel=0.5)


def test_a_share_of_it_is_streamed_and_a_slow_one_is_streamed_to_all_the_same():
    assert share_of(1000) == round(SHARE * 1000)
    assert share_of(0.2) == 1
