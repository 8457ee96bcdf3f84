"""Interpolation between coarse points: waves of the band come back as closely as promised."""

import numpy as np
import pytest

from simulate.diffraction.refinement import TAPS, refinements


def refined(coarse: np.ndarray, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.array([weights[p] @ coarse[first[p] : first[p] + TAPS] for p in range(len(first))])


@pytest.mark.parametrize("bandwidth", [0.05, 0.4, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
def test_waves_of_the_band_are_within_the_tolerance(bandwidth: float, tolerance: float) -> None:
    made = refinements(128, (bandwidth,), (tolerance,))
    first, weights, n_coarse = made.first[0], made.weights[0].astype(np.float64), int(made.n_coarse[0])
    pixels, points = np.arange(128), np.linspace(0, 127, n_coarse)
    waves = np.linspace(-bandwidth, bandwidth, 4001)[:, None]
    error = np.array([refined(np.exp(1j * wave * points), first, weights) for wave in waves]) - np.exp(
        1j * waves * pixels
    )
    by_pixel = np.sqrt(np.mean(np.abs(error) ** 2, axis=0))
    # Beside the tolerance: eight weights below 5 in sum, each rounded to float32; 4,001 waves stand for all of them.
    assert np.sqrt(np.mean(by_pixel**2)) <= 1.01 * tolerance + 5 * 2**-24
    assert by_pixel.max() <= 4 * 1.01 * tolerance + 5 * 2**-24


def test_errors_of_the_coarse_values_are_not_blown_up() -> None:
    """White noise on them comes out no larger on the mean of the pixels, and at most twice as large at any."""
    made = refinements(128, tuple(np.linspace(0.02, 2.5, 30)), (2.5e-4,) * 30)
    amplification = np.sqrt(np.square(made.weights).sum(axis=-1))
    assert np.all(np.sqrt(np.mean(amplification**2, axis=1)) <= 1.001)
    assert amplification.max() <= 2


def test_narrow_bands_need_few_points_and_wide_ones_all() -> None:
    made = refinements(128, (0.1, 0.4, 1.0, 3.1), (1e-3,) * 4)
    assert list(made.n_coarse) == sorted(made.n_coarse)
    assert made.n_coarse[0] < 24  # twelve radians across the image: four waves
    # Nyquist would be 128 · 0.4/π = 16; eight taps at 2.5 times that.
    assert made.n_coarse[1] < 45
    assert made.n_coarse[3] == 128
    values = np.random.default_rng(0).standard_normal(128)
    assert np.array_equal(refined(values, made.first[3], made.weights[3]), values)


def test_small_images_are_their_own_coarse_points() -> None:
    made = refinements(TAPS, (1.0,), (1e-3,))
    values = np.random.default_rng(1).standard_normal(TAPS)
    assert np.array_equal(refined(values, made.first[0], made.weights[0]), values)
