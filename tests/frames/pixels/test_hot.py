"""Hot pixels are found and nothing else is: against a slow twin, on spots, edges and noise."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from frames.pixels import hot
from frames.pixels.hot import HotSearch, hot_by_counts, hot_pixels
from frames.pixels.hot_numba import count_standing_out


def stands_out(image: NDArray, live: NDArray[np.bool_], i: int, j: int) -> tuple[bool, float, float]:
    """Whether a pixel does, its height and that beside it, as the module's first lines say it."""
    inside = [(y, x) for y in range(i - 2, i + 3) for x in range(j - 2, j + 3) if (y, x) != (i, j)]
    others = sorted(float(image[place]) for place in inside if is_live(live, *place))
    if not live[i, j] or len(others) < hot.OTHERS:
        return False, 0, 0
    middle = float(np.median(others))
    deviation = 1.4826 * float(np.median(np.abs(np.array(others) - middle)))
    if not image[i, j] - others[-1 - (hot.TOGETHER * len(others)) // 24] > hot.DEVIATIONS * deviation:
        return False, 0, 0
    four = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
    beside = sorted(float(image[place]) for place in four if is_live(live, *place))
    return True, image[i, j] - middle, beside[-3] - middle if len(beside) >= 3 else 0


def is_live(live: NDArray[np.bool_], y: int, x: int) -> bool:
    return 0 <= y < live.shape[0] and 0 <= x < live.shape[1] and bool(live[y, x])


def counted(image: NDArray, live: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray]:
    sums = np.zeros(image.shape, np.int32), np.zeros(image.shape, np.float32), np.zeros(image.shape, np.float32)
    count_standing_out(image.astype(np.float32), live, hot.TOGETHER, hot.OTHERS, hot.DEVIATIONS, *sums)
    return sums


def found(frames: NDArray, live: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    return hot_pixels(((frame, live) for frame in frames), frames.shape[1:]).bad


@pytest.mark.parametrize("photons", [0.2, 3.0, 500.0])
def test_what_stands_out_is_as_the_slow_twin_says(photons: float) -> None:
    generator = np.random.default_rng(0)
    image = generator.poisson(photons, (40, 36)).astype(float)
    live = generator.random(image.shape) > 0.15
    image[generator.integers(40, size=30), generator.integers(36, size=30)] += 40 * photons
    image[5, 5:8] += 1000  # three together
    expected = np.array([[stands_out(image, live, i, j) for j in range(36)] for i in range(40)])
    counts, heights, beside = counted(image, live)
    assert counts.sum() > 20
    np.testing.assert_array_equal(counts, expected[..., 0])
    np.testing.assert_allclose(heights, expected[..., 1], rtol=1e-5)
    np.testing.assert_allclose(beside, expected[..., 2], rtol=1e-5, atol=1e-3)


def test_sound_pixels_are_called_hot_no_more_often_than_the_rule_says() -> None:
    """Where a pixel has a tenth of a photon, a sound one stands out in a frame in eleven: nothing rare."""
    generator, alarms, n = np.random.default_rng(0), 0, 40
    for _ in range(n):
        frames = generator.poisson(0.1, (hot.LEAST, 120, 120))
        search = HotSearch((120, 120))
        for frame in frames:
            search.add(frame)
        assert search.counts.mean() / hot.LEAST == pytest.approx(1 - math.exp(-0.1), abs=0.03)
        alarms += int(search.found().bad.sum())
    assert alarms <= 1  # expected: at most n x ALARMS = 0.4


def test_the_rule_is_the_binomial_law() -> None:
    """The count from which a pixel is hot, where a tenth of the others' frames stand out: summed up term by term."""
    n, size = 16, 93
    counts, looked = np.zeros((size, size), np.int32), np.full((size, size), n, np.int32)
    counts[::5, ::2] = n // 2 + n // 4 - 1  # a tenth of the pixels in 11 of 16 frames: a rate of .07
    rate = counts[16 : size - 16, 16 : size - 16].mean() / n
    for k in range(12, n + 1):
        counts[46, 47] = k
        chance = sum(math.comb(n, one) * rate**one * (1 - rate) ** (n - one) for one in range(k, n + 1))
        assert hot_by_counts(counts, looked, n)[46, 47] == (chance * size**2 <= hot.ALARMS)


def edge(y: NDArray, x: NDArray) -> NDArray:
    return np.where(np.hypot(y - 40.3, x - 41.7) < 17, 5.0, 400.0)


def gap(y: NDArray, x: NDArray) -> NDArray:
    return np.where(np.abs(x - 30) < 2, 0.0, 300 + 3.0 * y)


def bright_line(y: NDArray, x: NDArray) -> NDArray:
    return np.where(x == 20, 900.0, 300.0)  # pixels along a gap are larger


def ring(y: NDArray, x: NDArray) -> NDArray:
    return 200 + 4000 * np.exp(-((np.hypot(y - 40, x - 40) - 25) ** 2) / 2)


@pytest.mark.parametrize("scene", [edge, gap, bright_line, ring])
def test_an_edge_is_never_masked(scene: Callable[[NDArray, NDArray], NDArray]) -> None:
    """A beamstop, a gap, larger pixels along it, a sharp ring: all stay where they are in every frame, unmasked."""
    y, x = np.indices((80, 80))
    frames = np.random.default_rng(1).poisson(scene(y, x), (hot.FIRST, 80, 80))
    assert not found(frames).any()


def test_a_spot_that_stays_is_not_hot_and_pixels_side_by_side_are() -> None:
    generator = np.random.default_rng(2)
    light = np.full((60, 60), 100.0)
    spread = np.outer((0.0715, 0.857, 0.0715), (0.0715, 0.857, 0.0715))  # binned by 2, as sharp as a spot can be
    for row, column, photons in ((20, 20, 150), (20, 40, 250), (40, 20, 80000), (40, 40, 400), (5, 5, 3000)):
        light[row - 1 : row + 2, column - 1 : column + 2] += photons * spread
    frames = generator.poisson(light, (hot.FIRST, 60, 60))
    assert not found(frames).any()
    places = {(10, 10), (10, 11), (30, 30), (31, 30), (30, 31), (50, 8), (0, 45)}
    for row, column in places:
        frames[:, row, column] = 300 + 40 * row
    assert {tuple(place) for place in np.argwhere(found(frames)).tolist()} == places


def test_few_or_equal_frames_tell_nothing() -> None:
    frames = np.random.default_rng(3).poisson(100, (hot.LEAST, 50, 50))
    frames[:, 25, 25] = 5000
    assert found(frames)[25, 25]
    told = hot_pixels(((frame, None) for frame in frames[:-1]), (50, 50))
    assert not told.bad.any()
    assert told.said.startswith(f"{hot.LEAST - 1} different frames are too few")
    assert not found(np.repeat(frames[:1], 20, axis=0)).any()
    with pytest.raises(ValueError, match=r"shape \(50, 49\), those before it \(50, 50\)"):
        HotSearch((50, 50)).add(frames[0, :, 1:])
