"""Candidates for spots: a slow twin of their signal-to-noise ratio, what ice changes of it, gain and background."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from frames.pixels.peaks.finder import Mask
from train.batches.candidates import FEATURES, KEPT, THRESHOLD, candidates_of

SPOT = np.outer((0.15, 0.7, 0.15), (0.15, 0.7, 0.15))
SMOOTHING = np.outer((1, 2, 1), (1, 2, 1)) / 16
STRONG = ((40, 40), (60, 120), (100, 30), (120, 150))


def frame(level: float = 400, seed: int = 3) -> NDArray[np.float64]:
    """Background, and spots of 20 to 200 photons' deviations, on 160 x 192 pixels."""
    image = np.random.default_rng(seed).normal(level, math.sqrt(level), (160, 192))
    for n, (row, column) in enumerate(STRONG):
        image[row - 1 : row + 2, column - 1 : column + 2] += (20 + 60 * n) * math.sqrt(level) * SPOT
    return image


def snr(features: NDArray) -> NDArray:
    return 7 * np.exp(features[features[:, -1] > 0, 0] / 2)


def test_the_strongest_are_the_spots() -> None:
    found = candidates_of(frame())
    assert {tuple(place) for place in found.places[:4]} == set(STRONG)
    assert found.features[:, -1].sum() == found.n_found == (found.places[:, 0] >= 0).sum() <= 8
    assert (snr(found.features) >= 0.999 * THRESHOLD).all()
    assert found.features.shape == (KEPT, len(FEATURES))
    assert not found.features[found.n_found :].any()


def test_signal_to_noise_is_height_over_deviation_of_a_smoothed_pixel() -> None:
    # Independent pixels of deviation 20: smoothed ones deviate by 20 √Σw² = 20 · 6/16. The noise under a spot is told
    # by some 88 pixels of its ring (7.5 %), its ratio by the calmest of 30 tiles, which is less by some 10 %; and each
    # height is off by one deviation.
    found = candidates_of(frame())
    heights = np.array([(20 + 60 * n) * 20 for n in (3, 2, 1, 0)]) * (SPOT * SMOOTHING).sum()
    expected = heights / (20 * 6 / 16)
    measured = snr(found.features)[:4]
    assert (measured > 0.85 * expected - 1.5).all()
    assert (measured < 1.3 * expected + 1.5).all()


def test_rings_of_ice_do_not_change_what_a_spot_far_from_them_is() -> None:
    generator = np.random.default_rng(5)
    y, x = np.indices((320, 320))
    radius = np.hypot(y - 159.5, x - 159.5)
    rings = sum(4000 * np.exp(-((radius - r) ** 2) / 8) for r in (40, 52, 64, 76, 88, 100, 112, 124))
    spots = np.zeros((320, 320))
    for row, column in ((20, 20), (20, 300), (300, 20), (300, 300)):
        spots[row - 1 : row + 2, column - 1 : column + 2] += 20 * 30 * SPOT
    told = []
    for ice in (0, rings):
        image = generator.poisson(400 + spots + ice)
        found = candidates_of(image)
        near = [tuple(place) in {(20, 20), (20, 300), (300, 20), (300, 300)} for place in found.places[: found.n_found]]
        assert sum(near) == 4
        told.append(snr(found.features)[near].mean())
    assert told[1] == pytest.approx(told[0], rel=0.15)  # four spots, each off by a deviation in some 20


def test_gain_changes_nothing() -> None:
    image = frame()
    ours, theirs = candidates_of(image), candidates_of(7 * image + 100)
    np.testing.assert_array_equal(ours.places, theirs.places)
    np.testing.assert_allclose(ours.features, theirs.features, rtol=2e-3, atol=2e-3)


def test_masked_pixels_are_no_candidates_and_make_none() -> None:
    image, live = frame(), np.ones((160, 192), bool)
    live[:, 78:83] = False
    image[:, 78:83] = 0
    found = candidates_of(image, Mask.of(live))
    assert not any(78 <= column < 83 for _, column in found.places)
    assert found.n_found <= candidates_of(frame()).n_found + 2  # nothing along the gap's edges
    with pytest.raises(ValueError, match="every pixel"):
        candidates_of(image, Mask.of(np.zeros_like(live)))
    with pytest.raises(ValueError, match="too small"):
        candidates_of(image[:20])
