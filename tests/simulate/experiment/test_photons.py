"""Photons: their statistics, their seeds, their limits."""

import numpy as np
import pytest
from scipy import stats

from frames.rng import uniforms
from frames.store.encoding import MAX_PHOTONS, round_mantissa
from simulate.experiment.photons import as_counts, sample_photons
from simulate.experiment.photons_numba import FEW

SEEDS = np.array([11, 12, 13, 14, 15, 16, 17, 18], dtype=np.uint64)


@pytest.mark.parametrize("mean", [0.003, 0.7, 0.999 * FEW, FEW, 37.0, 2000.0])
def test_photons_are_poisson(mean: float) -> None:
    photons = sample_photons(np.full((8, 96, 96), mean, dtype=np.float32), SEEDS)
    n = photons.size
    # mean and variance of a Poisson variable are λ; their standard errors sqrt(λ/n) and sqrt((λ + 2λ²)/n)
    assert photons.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / n))
    assert photons.var() == pytest.approx(mean, abs=5 * np.sqrt((mean + 2 * mean**2) / n))
    # Chi square over the counts that are expected often enough, and the rest of them together.
    counts = np.bincount(photons.ravel(), minlength=int(mean) + 1)
    often = np.flatnonzero(n * stats.poisson.pmf(np.arange(len(counts)), mean) >= 10)
    observed = np.append(counts[often], n - counts[often].sum())
    expected = n * stats.poisson.pmf(often, mean)
    expected = np.append(expected, n - expected.sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_dim_pixels_are_the_inverse_of_the_distribution_function() -> None:
    """Slow twin: the smallest count whose cumulative probability exceeds the pixel's own uniform number."""
    expected = np.random.default_rng(1).uniform(0, FEW, size=(2, 24, 24)).astype(np.float32)
    u = uniforms(SEEDS[:2], "photons", 24 * 24).reshape(expected.shape)
    by_scipy = stats.poisson.ppf(u, expected.astype(np.float64))
    assert np.array_equal(sample_photons(expected, SEEDS[:2]), by_scipy)


def test_dark_pixels_stay_dark() -> None:
    assert not sample_photons(np.zeros((8, 64, 64), np.float32), SEEDS).any()


def test_a_pattern_depends_on_its_own_seed_alone() -> None:
    expected = np.random.default_rng(0).uniform(0, 30, size=(8, 16, 16)).astype(np.float32)
    together = sample_photons(expected, SEEDS)
    alone = sample_photons(expected[2:4], SEEDS[2:4])
    assert np.array_equal(together[2:4], alone)
    assert not np.array_equal(sample_photons(expected[:1], SEEDS[1:2]), together[:1])


def test_neighbouring_pixels_and_patterns_are_independent() -> None:
    counts = sample_photons(np.full((8, 96, 96), 2.0, np.float32), SEEDS).astype(float)
    along_x, along_y = (counts[:, :, 1:], counts[:, :, :-1]), (counts[:, 1:], counts[:, :-1])
    for one, other in (along_x, along_y, (counts[1:], counts[:-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size)


def test_counts_above_the_range_are_an_error() -> None:
    expected = np.full((1, 4, 4), 2.0 * MAX_PHOTONS, dtype=np.float32)
    with pytest.raises(OverflowError, match=r"more than the 65534 that are stored.*readout\.saturation_photons"):
        sample_photons(expected, SEEDS[:1])
    with pytest.raises(OverflowError) as raised:
        as_counts(np.array([7, MAX_PHOTONS + 1]))
    assert str(raised.value) == (
        "a pixel counts 65535 photons, more than the 65534 that are stored (uint16); lower photons_per_pulse, cover "
        "the pixel with a beamstop, set readout.saturation_photons, or record: expected"
    )


def test_counts_within_the_range_are_kept() -> None:
    counts = as_counts(np.array([[3, MAX_PHOTONS]]))
    assert counts.dtype == np.uint16
    assert counts.tolist() == [[3, 65534]]
    assert as_counts(np.empty((0, 4), np.int64)).shape == (0, 4)


def test_saturated_pixels_count_no_further() -> None:
    expected = np.random.default_rng(0).uniform(0, 200, size=(8, 16, 16)).astype(np.float32)
    free, cut = sample_photons(expected, SEEDS), sample_photons(expected, SEEDS, saturation=100)
    assert np.array_equal(cut, np.minimum(free, 100))
    assert cut.max() == 100
    blinding = np.full((1, 4, 4), 2.0 * MAX_PHOTONS, dtype=np.float32)
    assert np.all(sample_photons(blinding, SEEDS[:1], saturation=MAX_PHOTONS) == MAX_PHOTONS)
    assert np.array_equal(as_counts(np.array([3, 70_000]), saturation=9), [3, 9])


def test_rounding_keeps_thirteen_bits() -> None:
    values = np.concatenate([[1.0001, 0.0], 10.0 ** np.random.default_rng(0).uniform(-30, 30, (5, 8000)).ravel()])
    values = values.astype(np.float32)
    rounded = round_mantissa(values)
    assert rounded[1] == 0
    assert np.all(np.abs(rounded - values) <= 2**-13 * values)
    assert np.all(rounded.view(np.uint32) % 2**11 == 0)
    assert np.array_equal(round_mantissa(rounded), rounded)
    images = values[2:].reshape(5, 80, 100)
    assert np.array_equal(round_mantissa(images), rounded[2:].reshape(images.shape))


def test_rounding_by_hand() -> None:
    """Steps are 2^-12 above 1; what lies in the middle of two goes to the even one."""
    step, little = 2.0**-12, 2.0**-23
    values = [1 + step / 2, 1 + 3 * step / 2, 1 + step / 2 + little, 1 + step / 2 - little, 1 + step, -1 - 3 * step / 2]
    expected = [1, 1 + 2 * step, 1 + step, 1, 1 + step, -1 - 2 * step]
    assert round_mantissa(np.array(values, np.float32)).tolist() == expected
    assert round_mantissa(np.array([1.3, 5.5], np.float32), bits=2).tolist() == [1.25, 6]  # steps 1/4 and 1
