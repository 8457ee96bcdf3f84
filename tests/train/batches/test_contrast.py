"""Local contrast: the compiled pass against scipy's filters, closed forms, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter, zoom

from train.batches.contrast import FLOOR, Contrast, contrasted, halved

RNG = np.random.default_rng(5)
FRAME = (RNG.poisson(900, (90, 104)) + 400 * (np.arange(104) > 50)).astype(np.uint16)
FRAME[30:33, 40:43] += np.array([[90, 400, 90], [400, 9000, 400], [90, 400, 90]], np.uint16)
LIVE = np.ones(FRAME.shape, bool)
LIVE[:, 60:64], LIVE[41, 33] = False, False


def box(image: NDArray, window: int, live: NDArray) -> NDArray:
    """Mean over the live pixels of a window, by scipy, zero beyond the frame."""
    weight = uniform_filter(live.astype(float), window, mode="constant")
    return uniform_filter(image * live, window, mode="constant") / np.maximum(weight, 1e-12)


def slow(frame: NDArray, how: Contrast, live: NDArray) -> NDArray:
    """The twin: whole images in float64, cut last."""
    x = np.maximum(frame.astype(float), 0)
    n, margin = how.pixels, how.margin
    top, left = ((size - n) // 2 for size in x.shape)
    inner = slice(top, top + n), slice(left, left + n)
    seen = slice(top - margin, top + n + margin), slice(left - margin, left + n + margin)
    mean, deviation = x[seen][live[seen]].mean(), x[seen][live[seen]].std()
    floor = FLOOR * deviation
    if how.local_contrast == "none":
        result = (x - mean) / deviation if how.global_contrast else x
    elif how.local_contrast == "subtractive":
        result = (x - box(x, 5, live)) / (deviation if how.global_contrast else 1)
    elif how.local_contrast == "divisive":
        m = box(x, 5, live)
        result = (x - m) / np.sqrt(np.maximum(box(x * x, 5, live) - m * m, 0) + floor**2)
    else:
        rest = np.where(live, x - box(x, 9, live), 0)
        m = box(rest, 31, live)
        result = rest / np.sqrt(np.maximum(box(rest * rest, 31, live) - m * m, 0) + floor**2)
    return np.where(live, result, 0)[inner]


def spread(image: NDArray, live: NDArray, axis: int) -> NDArray:
    high = np.where(live, image, -np.inf).max(axis)
    low = np.where(live, image, np.inf).min(axis)
    return np.where(high >= low, high - low, 0)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("local", ["none", "subtractive", "divisive", "wide"])
@pytest.mark.parametrize("gcn", [True, False])
def test_is_its_slow_twin(local: str, gcn: bool, masked: bool) -> None:
    how = Contrast(48, local, gcn)  # type: ignore[arg-type]
    live = LIVE if masked else np.ones_like(LIVE)
    fast, expected = contrasted(FRAME, how, live if masked else None), slow(FRAME, how, live)
    top, left = ((size - 48) // 2 for size in FRAME.shape)
    alive = live[top : top + 48, left : left + 48]
    largest = np.abs(expected).max()
    np.testing.assert_allclose(fast.image, expected, atol=1e-5 * largest)  # float32: 6e-8 of a sum a hundred times it
    np.testing.assert_allclose(fast.rows, spread(expected, alive, 1), atol=2e-5 * largest)
    np.testing.assert_allclose(fast.columns, spread(expected, alive, 0), atol=2e-5 * largest)
    vectors = contrasted(FRAME, how, live if masked else None, image=False)
    assert vectors.image.shape[0] == 0
    np.testing.assert_array_equal(vectors.rows, fast.rows)


def test_maxima_keep_the_height_of_a_spot_and_little_is_left_of_noise() -> None:
    whole = contrasted(FRAME, Contrast(48, "wide"))
    small = contrasted(FRAME, Contrast(48, "wide", maxima=True, above=2.5))
    assert small.image.shape == (24, 24)
    for row, column in np.ndindex(24, 24):
        largest = float(whole.image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].max())
        assert small.image[row, column] == pytest.approx(math.log(1 + max(largest - 2.5, 0)), abs=1e-6)
    assert 0 < (small.image > 0).mean() < 0.1  # of normal noise, 4 x 0.6 %
    np.testing.assert_array_equal(small.rows, whole.rows)
    with pytest.raises(ValueError, match="pixels is 47, expected an even number"):
        Contrast(47, maxima=True)
    with pytest.raises(ValueError, match="above is -1, expected 0 or more"):
        Contrast(above=-1)


def test_a_bright_pixel_is_at_most_root_24_of_its_own_window() -> None:
    frame = np.full((40, 40), 100, np.uint16)
    frame[20, 20] = 60_000
    image = contrasted(frame, Contrast(20, "divisive")).image
    assert image.max() == pytest.approx(24 / math.sqrt(24), rel=1e-3)  # (x - x/25) / √(x²/25 - x²/625)


def test_global_contrast_forgets_gain_and_offset_is_lost_locally() -> None:
    how = Contrast(48, "subtractive")
    a, b = contrasted(FRAME, how), contrasted(FRAME.astype(np.float32) * 3 + 50, how)
    np.testing.assert_allclose(a.image, b.image, atol=1e-4 * np.abs(a.image).max())


def test_below_zero_is_zero() -> None:
    frame = FRAME.astype(np.float32)
    frame[45, 50], low = -70, frame.copy()
    low[45, 50] = 0
    np.testing.assert_array_equal(contrasted(frame, Contrast(48)).image, contrasted(low, Contrast(48)).image)


def test_halving_is_bilinear() -> None:
    frame = RNG.uniform(0, 9, (8, 12))
    expected = zoom(frame, 0.5, order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(halved(frame, np.empty((0, 0), bool))[0], expected, rtol=1e-6)
    live = np.ones((8, 12), bool)
    live[0, :2], live[1, 0] = False, False
    image, alive = halved(frame, live)
    assert image[0, 0] == pytest.approx(frame[1, 1])
    assert alive.all()


def test_refuses_what_shows_nothing() -> None:
    how = Contrast(48)
    with pytest.raises(ValueError, match=r"frame 7.*every pixel.*masked"):
        contrasted(FRAME, how, np.zeros_like(LIVE), source="a.h5, frame 7")
    with pytest.raises(ValueError, match=r"all hold 65535.*saturated"):
        contrasted(np.full((90, 90), 65535, np.uint16), how)
    with pytest.raises(ValueError, match=r"90 x 104 pixels.*take 724 x 724.*at most 86"):
        contrasted(FRAME, replace(how, pixels=720))
    with pytest.raises(ValueError, match="expected one of none, subtractive"):
        Contrast(local_contrast="lcn")  # type: ignore[arg-type]
