"""Background against closed forms."""

import numpy as np
import pytest

from simulate.experiment.background import expected
from simulate.experiment.config import BackgroundConfig


def test_flat_background_is_the_same_everywhere() -> None:
    photons = expected(BackgroundConfig(flat_photons=0.25), (4, 6))
    assert photons.dtype == np.float32
    assert np.array_equal(photons, np.full((4, 6), 0.25, dtype=np.float32))


def test_radial_background_sums_to_its_integral() -> None:
    """∫ a exp(−r/ρ) d²r = 2π a ρ².

    The sum over pixel centres differs from it, by Poisson's summation formula, by the function's Fourier transform
    a 2πρ²/(1 + (2πρk)²)^(3/2) at the points k ≠ 0 of the lattice: at most Σ|k|⁻³/(2πρ)³ = 9.04/(2πρ)³ of it. What lies
    beyond R is (1 + R/ρ) exp(−R/ρ) of it.
    """
    radius, n = 16.0, 512
    photons = expected(BackgroundConfig(radial_photons=3.0, radial_radius_pixels=radius), (n, n)).astype(np.float64)
    integral = 2 * np.pi * 3.0 * radius**2
    edge = n / 2 / radius
    tolerance = 9.04 / (2 * np.pi * radius) ** 3 + (1 + edge) * np.exp(-edge) + np.finfo(np.float32).eps
    assert photons.sum() == pytest.approx(integral, rel=tolerance)


def test_radial_background_at_a_pixel() -> None:
    photons = expected(BackgroundConfig(flat_photons=0.5, radial_photons=2.0, radial_radius_pixels=4.0), (5, 7))
    assert photons[2, 3] == np.float32(2.5)  # the middle of an image of odd size is a pixel's centre
    assert photons[2, 6] == pytest.approx(0.5 + 2 * np.exp(-3 / 4), rel=1e-6)
    assert photons[0, 3] == pytest.approx(0.5 + 2 * np.exp(-2 / 4), rel=1e-6)
    assert np.array_equal(photons, photons[::-1, ::-1])
