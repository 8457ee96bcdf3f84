"""Shares of hits are told from answers alone, where these are the probabilities that they say they are."""

import numpy as np
import pytest
from scipy.stats import norm

from train.batches.shares import LEAST, estimated_share


@pytest.mark.parametrize(("old", "new"), [(0.2, 0.47), (0.47, 0.2), (0.3, 0.3), (0.2, 0.0)])
def test_the_share_of_new_frames_is_found(old: float, new: float) -> None:
    """Scores of misses and hits are N(0, 1) and N(2, 1); a network of the old share answers by Bayes' law."""
    generator, n = np.random.default_rng(0), 20_000
    is_hit = generator.random(n) < new
    score = generator.normal(2.0 * is_hit, 1)
    hit, miss = old * norm.pdf(score, 2), (1 - old) * norm.pdf(score)
    # The estimate's own deviation: Fisher's information of a mixture of two known laws, at least half of n/(s (1 - s)).
    assert estimated_share(hit / (hit + miss), old) == pytest.approx(max(new, LEAST), abs=0.02)


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="1 of the frames of the source are hits; expected some of both"):
        estimated_share(np.array([0.5]), 1.0)
    with pytest.raises(ValueError, match="no frames"):
        estimated_share(np.empty(0), 0.5)
