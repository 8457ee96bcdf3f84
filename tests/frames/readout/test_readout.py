"""Readout against its slow twin, and its numbers against their distributions."""

import numpy as np
import pytest
from scipy import stats

from frames.readout.config import ReadoutConfig
from frames.readout.readout import dead, gains, hot, read
from frames.rng import GAMMA, mix, states

SHAPE = (64, 48)
SEEDS = np.arange(100, 116, dtype=np.uint64)
LIVE = np.ones(SHAPE)
DARK = np.zeros((len(SEEDS), *SHAPE), dtype=np.uint16)
EVERYTHING = ReadoutConfig(
    read_noise_photons=0.4,
    gain_spread=0.05,
    adu_per_photon=20.0,
    hot_fraction=0.02,
    hot_photons=7.0,
    dead_fraction=0.03,
    seed=5,
)


def counts(shape: tuple[int, ...] = DARK.shape) -> np.ndarray:
    return np.random.default_rng(1).poisson(3.0, size=shape).astype(np.uint16)


def normal_numbers(seed: int, pixels: int) -> np.ndarray:
    """The noise of one pattern in float64: Box & Muller on the stream's numbers."""
    half = (pixels + 1) // 2
    with np.errstate(over="ignore"):
        words = mix(states(np.uint64(seed), "read_noise") + np.arange(1, half + 1, dtype=np.uint64) * np.uint64(GAMMA))
    radius = np.sqrt(-2 * np.log(((words >> np.uint64(33)).astype(np.float64) + 0.5) * 2.0**-31))
    angle = (words & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.int32) * (2 * np.pi / 2**32)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:pixels]


def slow_read(photons: np.ndarray, config: ReadoutConfig, seeds: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Before rounding to ADUs, in float64."""
    noise = np.stack([normal_numbers(seed, live.size) for seed in seeds]).reshape(photons.shape)
    readings = gains(config, live.shape).astype(np.float64) * photons
    readings += np.where(hot(config, live.shape), config.hot_photons, 0) + config.read_noise_photons * noise
    return np.where((live > 0) & ~dead(config, live.shape), readings, 0)


@pytest.mark.parametrize("shape", [(64, 48), (7, 9), (1, 1)])
def test_against_the_slow_twin(shape: tuple[int, int]) -> None:
    config = EVERYTHING.model_copy(update={"adu_per_photon": None})
    photons = counts((len(SEEDS), *shape))
    live = np.ones(shape)
    live[0, 0] = 0.0
    fast, slow = read(photons, config, SEEDS, live), slow_read(photons, config, SEEDS, live)
    assert fast.dtype == np.float32
    # Float32 steps up to the largest reading (below 32); the noise itself is right to a few steps of its own 7.
    assert np.abs(fast - slow).max() < 4 * np.spacing(np.float32(16))


def test_readings_are_whole_adus() -> None:
    fine = slow_read(counts(), EVERYTHING, SEEDS, LIVE)
    readings = read(counts(), EVERYTHING, SEEDS, LIVE).astype(np.float64)
    adus = readings * 20
    assert np.abs(adus - np.rint(adus)).max() < 20 * np.spacing(np.float32(16))
    assert np.abs(readings - fine).max() < 0.5 / 20 + 4 * np.spacing(np.float32(16))


def test_an_ideal_readout_gives_the_counts() -> None:
    readings = read(counts(), ReadoutConfig(saturation_photons=100, seed=9), SEEDS, LIVE)
    assert readings.dtype == np.float32
    assert np.array_equal(readings, counts())


def test_noise_is_gaussian() -> None:
    sigma = 0.3
    noise = read(DARK, ReadoutConfig(read_noise_photons=sigma), SEEDS, LIVE).astype(np.float64)
    n = noise.size
    # Standard errors of mean and variance of n Gaussian numbers: σ/√n and σ²√(2/n); of kurtosis √(24/n).
    assert abs(noise.mean()) < 5 * sigma / np.sqrt(n)
    assert abs(noise.var() - sigma**2) < 5 * sigma**2 * np.sqrt(2 / n)
    assert abs(stats.kurtosis(noise.ravel())) < 5 * np.sqrt(24 / n)
    assert stats.kstest(noise.ravel(), stats.norm(0, sigma).cdf).pvalue > 1e-4


def test_tails_are_as_rare_as_they_should_be() -> None:
    shape = (1024, 1024)
    noise = read(
        np.zeros((4, *shape), dtype=np.uint16), ReadoutConfig(read_noise_photons=1.0), SEEDS[:4], np.ones(shape)
    )
    for beyond in (3.0, 4.0):
        expected = noise.size * 2 * stats.norm.sf(beyond)
        assert abs((np.abs(noise) > beyond).sum() - expected) < 5 * np.sqrt(expected)


def test_patterns_and_pixels_are_independent() -> None:
    noise = read(DARK, ReadoutConfig(read_noise_photons=1.0), SEEDS, LIVE).reshape(len(SEEDS), -1)
    pixels = noise.shape[1]
    # A correlation coefficient of n independent pairs has standard error 1/√n; 120 pairs of patterns: 5σ holds.
    between = np.corrcoef(noise)[np.triu_indices(len(SEEDS), 1)]
    assert np.abs(between).max() < 5 / np.sqrt(pixels)
    for lag in (1, 48, pixels // 2):  # the next pixel, the one below, and the other of a pair
        a, b = noise[:, :-lag].ravel(), noise[:, lag:].ravel()
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(a.size)
        assert abs(np.corrcoef(a**2, b**2)[0, 1]) < 5 / np.sqrt(a.size)


def test_a_pattern_depends_on_its_own_seed_alone() -> None:
    together = read(counts(), EVERYTHING, SEEDS, LIVE)
    order = np.random.default_rng(0).permutation(len(SEEDS))
    assert np.array_equal(read(counts()[order], EVERYTHING, SEEDS[order], LIVE), together[order])
    for i in (0, 7, 15):
        assert np.array_equal(read(counts()[i : i + 1], EVERYTHING, SEEDS[i : i + 1], LIVE)[0], together[i])


def test_fixed_patterns_have_the_size_asked_for() -> None:
    shape = (256, 256)
    config = EVERYTHING
    pixels = shape[0] * shape[1]
    gain = gains(config, shape)
    # As above for Gaussian numbers; a fraction f of n pixels has standard error √(f(1 − f)/n).
    assert gain.mean() == pytest.approx(1, abs=5 * 0.05 / np.sqrt(pixels))
    assert gain.std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * pixels))
    for pattern, fraction in ((hot(config, shape), 0.02), (dead(config, shape), 0.03)):
        assert pattern.mean() == pytest.approx(fraction, abs=5 * np.sqrt(fraction * (1 - fraction) / pixels))
    both = (hot(config, shape) & dead(config, shape)).sum()
    assert abs(both - 0.02 * 0.03 * pixels) < 5 * np.sqrt(0.02 * 0.03 * pixels)


def test_fixed_patterns_belong_to_the_seed_and_cannot_be_written() -> None:
    again = ReadoutConfig.model_validate(EVERYTHING.model_dump())
    other = EVERYTHING.model_copy(update={"seed": 6})
    for pattern in (gains, hot, dead):
        assert np.array_equal(pattern(again, SHAPE), pattern(EVERYTHING, SHAPE))
        assert not np.array_equal(pattern(other, SHAPE), pattern(EVERYTHING, SHAPE))
        with pytest.raises(ValueError, match="read-only"):
            pattern(EVERYTHING, SHAPE)[0, 0] = 0


def test_no_spread_and_no_fraction_leave_every_pixel_as_it_should_be() -> None:
    config = ReadoutConfig(read_noise_photons=0.1)
    assert np.all(gains(config, SHAPE) == 1)
    assert not hot(config, SHAPE).any()
    assert not dead(config, SHAPE).any()


def test_gains_are_never_negative() -> None:
    gain = gains(ReadoutConfig(gain_spread=0.49), (256, 256))
    assert gain.min() == 0


def test_masked_and_dead_pixels_read_nothing() -> None:
    live = np.linspace(0, 1, 48)[None, :] * np.ones((64, 1))
    readings = read(counts(), EVERYTHING, SEEDS, live)
    off = (live == 0) | dead(EVERYTHING, SHAPE)
    assert np.all(readings[:, off] == 0)
    assert np.all(readings[:, ~off].std(axis=0) > 0)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"photons \(16, 64, 48\), seeds \(15,\) and live \(64, 48\) do not agree"):
        read(DARK, EVERYTHING, SEEDS[1:], LIVE)
    with pytest.raises(ValueError, match="do not agree"):
        read(DARK, EVERYTHING, SEEDS, LIVE.T)
