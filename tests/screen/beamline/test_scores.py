"""Scores of what is kept: by hand, and ties by trials."""

import numpy as np
import pytest

from screen.beamline.scores import LIT, at_yield, extra_redu_hits, lit_pixels, score_of


def test_purity_and_yield_by_hand():
    single = np.array([1, 1, 0, 0, 1], bool)
    assert score_of(np.array([1, 0, 1, 0, 1], bool), single) == (3, 2 / 3, 2 / 3)
    assert np.isnan(score_of(np.zeros(5, bool), single).purity)
    assert at_yield(np.array([5, 1, 4, 0, 3]), single, 2 / 3) == pytest.approx((3, 2 / 3, 2 / 3))


def test_ties_are_cut_as_chance_would():
    """Of 30 frames of one value, 10 are single hits: of half of these come half of all, whatever the order."""
    single = np.arange(30) < 10
    assert at_yield(np.ones(30), single, 0.5) == pytest.approx((15, 1 / 3, 0.5))


@pytest.mark.parametrize("wanted", [0, 1.2])
def test_a_yield_that_cannot_be_is_refused(wanted):
    with pytest.raises(ValueError, match="expected more than 0"):
        at_yield(np.ones(3), np.ones(3, bool), wanted)


def test_extra_redu_finds_bright_frames_among_dark_ones():
    pytest.importorskip("extra_redu")
    generator = np.random.default_rng(0)
    patterns = generator.poisson(0.05, (400, 32, 32)).astype(np.float32)
    bright = np.arange(400) % 10 == 0
    patterns[bright] += generator.poisson(1, (40, 32, 32))
    live = np.ones((32, 32), bool)
    live[:4] = False
    lit = lit_pixels(patterns, live)
    assert lit[3] == (patterns[3, 4:] >= LIT).sum()
    score, hit = extra_redu_hits(lit, int(live.sum()), np.repeat(np.arange(40), 10), np.tile(np.arange(10), 40))
    assert abs(score - lit).max() <= 1  # a whole number there
    assert hit[bright].all()
    assert hit[~bright].mean() < 0.02
