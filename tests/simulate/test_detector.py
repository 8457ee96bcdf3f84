"""Photons, noise and their seeds."""

import numpy as np
import pytest
from scipy import stats

from simulate.detector import MAX_PHOTONS, add_read_noise, round_mantissa, sample_photons

SEEDS = np.array([11, 12, 13], dtype=np.uint64)
NO_MASK = np.zeros((64, 64), dtype=bool)


def test_photons_are_poisson() -> None:
    expected = np.full((3, 64, 64), 0.7, dtype=np.float32)
    photons = sample_photons(expected, SEEDS)
    n = photons.size
    # mean and variance of a Poisson variable are λ; their standard errors sqrt(λ/n) and sqrt((λ + 2λ²)/n)
    assert photons.mean() == pytest.approx(0.7, abs=5 * np.sqrt(0.7 / n))
    assert photons.var() == pytest.approx(0.7, abs=5 * np.sqrt((0.7 + 2 * 0.49) / n))
    counts = np.bincount(photons.ravel(), minlength=6)[:6]
    probabilities = stats.poisson.pmf(np.arange(6), 0.7)
    assert stats.chisquare(counts, probabilities / probabilities.sum() * counts.sum()).pvalue > 1e-4


def test_a_pattern_depends_on_its_own_seed_alone() -> None:
    expected = np.random.default_rng(0).uniform(0, 3, size=(3, 16, 16)).astype(np.float32)
    together = sample_photons(expected, SEEDS)
    alone = sample_photons(expected[2:], SEEDS[2:])
    assert np.array_equal(together[2:], alone)
    assert not np.array_equal(sample_photons(expected[:1], SEEDS[1:2]), together[:1])


def test_counts_above_the_range_are_an_error() -> None:
    expected = np.full((1, 4, 4), 2.0 * MAX_PHOTONS, dtype=np.float32)
    with pytest.raises(OverflowError, match="more than the 65534 that are stored"):
        sample_photons(expected, SEEDS[:1])


def test_read_noise_is_gaussian_and_spares_masked_pixels() -> None:
    mask = NO_MASK.copy()
    mask[:8] = True
    noisy = add_read_noise(np.zeros((3, 64, 64), dtype=np.uint16), 0.3, SEEDS, mask)
    assert np.all(noisy[:, mask] == 0)
    assert stats.kstest(noisy[:, ~mask].ravel(), stats.norm(0, 0.3).cdf).pvalue > 1e-4
    assert np.array_equal(noisy[1:2], add_read_noise(np.zeros((1, 64, 64), dtype=np.uint16), 0.3, SEEDS[1:2], mask))


def test_photons_and_noise_are_independent_streams() -> None:
    photons = sample_photons(np.full((3, 64, 64), 1.0, dtype=np.float32), SEEDS)
    noise = add_read_noise(photons, 0.3, SEEDS, NO_MASK) - photons
    correlation = np.corrcoef(photons.ravel(), noise.ravel())[0, 1]
    assert abs(correlation) < 5 / np.sqrt(photons.size)


def test_no_read_noise_leaves_the_counts() -> None:
    photons = np.arange(16, dtype=np.uint16).reshape(1, 4, 4)
    assert np.array_equal(add_read_noise(photons, 0.0, SEEDS[:1], np.zeros((4, 4), dtype=bool)), photons)


def test_rounding_keeps_thirteen_bits() -> None:
    values = np.concatenate([[0.0], 10.0 ** np.random.default_rng(0).uniform(-30, 30, 10_000)]).astype(np.float32)
    rounded = round_mantissa(values)
    assert rounded[0] == 0
    assert np.abs(rounded[1:] / values[1:] - 1).max() <= 2**-13
    assert np.all(rounded.view(np.uint32) % 2**11 == 0)
    assert np.array_equal(round_mantissa(rounded), rounded)
