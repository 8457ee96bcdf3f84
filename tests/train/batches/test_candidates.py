"""Candidates for spots: a slow twin, what they tell apart, and that they do not see gain and background."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, uniform_filter

from train.batches.candidates import EDGE, FEATURES, INNER, KEPT, OUTER, candidates_of
from train.batches.candidates_numba import block_deviations, describe

SPOT = np.outer((0.15, 0.7, 0.15), (0.15, 0.7, 0.15))


def frame(level: float = 400, seed: int = 3) -> NDArray[np.float64]:
    """Background, spots of 5 to 60 photons' deviations, and one hot pixel, on 160 x 192 pixels."""
    image = np.random.default_rng(seed).normal(level, math.sqrt(level), (160, 192))
    for n, (row, column) in enumerate(((40, 40), (60, 120), (100, 30), (120, 150))):
        image[row - 1 : row + 2, column - 1 : column + 2] += (20 + 60 * n) * math.sqrt(level) * SPOT
    image[80, 80] += 40 * math.sqrt(level)
    return image


def named(features: NDArray, name: str) -> NDArray:
    return features[:, FEATURES.index(name)]


def test_the_brightest_are_the_spots_and_the_hot_pixel() -> None:
    found = candidates_of(frame())
    assert {tuple(place) for place in found.places[:5]} == {(40, 40), (60, 120), (100, 30), (120, 150), (80, 80)}
    hot = [tuple(place) for place in found.places].index((80, 80))
    spots = [n for n in range(5) if n != hot]
    assert named(found.features, "neighbour")[hot] < 0.15 < named(found.features, "neighbour")[spots].min()
    assert found.features[:, -1].sum() == min(found.n_maxima, KEPT) == (found.places[:, 0] >= 0).sum()


def test_maxima_are_those_of_a_slow_twin() -> None:
    image = frame()
    rest = np.zeros_like(image)
    inner = slice(4, -4), slice(4, -4)
    rest[inner] = (image - uniform_filter(image, 9))[inner]
    deviations = np.empty((5, 6), np.float32)
    block_deviations(rest.astype(np.float32), np.empty((0, 0), bool), 32, deviations)
    limit = 4 * np.kron(deviations, np.ones((32, 32)))[:160, :192]
    is_peak = (rest == maximum_filter(rest, 3)) & (rest > limit)
    is_peak[:EDGE], is_peak[-EDGE:], is_peak[:, :EDGE], is_peak[:, -EDGE:] = False, False, False, False
    found = candidates_of(image)
    assert found.n_maxima == is_peak.sum() >= 5
    assert {tuple(place) for place in found.places if place[0] >= 0} <= set(zip(*np.nonzero(is_peak), strict=True))


def test_deviations_hardly_see_spots() -> None:
    rest = np.random.default_rng(1).normal(0, 7, (64, 64)).astype(np.float32)
    rest[10:13, 10:13] += 900
    out = np.empty((2, 2), np.float32)
    block_deviations(rest, np.empty((0, 0), bool), 32, out)
    # 1,024 values: 2.2 % of error; the spot raises the first guess, by which the cut is far out: up to 1.4 % more
    np.testing.assert_allclose(out, 7, rtol=0.09)


def test_a_description_is_its_formula() -> None:
    image, numbers = frame(), np.empty(8)
    assert describe(image, np.empty((0, 0), bool), 60, 120, INNER, OUTER, numbers)
    cut = image[60 - OUTER : 61 + OUTER, 120 - OUTER : 121 + OUTER]
    ring = np.ones(cut.shape, bool)
    ring[OUTER - INNER : OUTER + INNER + 1, OUTER - INNER : OUTER + INNER + 1] = False
    values = cut[ring]
    kept = values[values <= values.mean() + 3 * values.std()]
    above = cut[OUTER - 1 : OUTER + 2, OUTER - 1 : OUTER + 2] - kept.mean()
    assert numbers[0] == pytest.approx(above.sum() / (3 * kept.std() * math.sqrt(1 + 9 / len(kept))), rel=1e-6)
    assert numbers[1] == pytest.approx(above[1, 1] / kept.std(), rel=1e-6)
    assert numbers[2] == pytest.approx(above[1, 1] / above.sum(), rel=1e-6)


def test_gain_and_offset_change_nothing() -> None:
    image = frame()
    ours, theirs = candidates_of(image), candidates_of(7 * image + 100)
    np.testing.assert_array_equal(ours.places, theirs.places)
    np.testing.assert_allclose(ours.features, theirs.features, rtol=2e-3, atol=2e-3)


def test_masked_pixels_are_no_candidates_and_make_none() -> None:
    image, live = frame(), np.ones((160, 192), bool)
    live[:, 78:83] = False
    image[:, 78:83] = 0
    found = candidates_of(image, live)
    assert not any(78 <= column < 83 for _, column in found.places)
    assert found.n_maxima <= candidates_of(frame()).n_maxima + 2  # nothing along the gap's edges
    with pytest.raises(ValueError, match="every pixel"):
        candidates_of(image, np.zeros_like(live))
    with pytest.raises(ValueError, match="at least 37 pixels"):
        candidates_of(image[:20])
