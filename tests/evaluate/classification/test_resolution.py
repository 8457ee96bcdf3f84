"""The detector in terms of resolution."""

import math

import numpy as np
import pytest

from evaluate.classification.resolution import Resolution
from frames.geometry import Geometry
from simulate.experiment.geometry import square_detector


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    """The default experiment."""
    return square_detector(photon_energy_eV=4600, n_pixels=128, pixel_size_um=600, distance_mm=323)


def test_edge_and_corner_of_the_default_detector(geometry: Geometry) -> None:
    """1/d = (2/λ) sin(θ/2), with λ = 2.6953 Å and θ the angle of the outermost pixel centres."""
    resolution = Resolution.of(geometry)

    def d_nm(x: float, y: float) -> float:
        return 0.26953 / (2 * math.sin(math.atan(math.hypot(x, y) * 0.6 / 323) / 2))

    # λ is given to five digits.
    assert resolution.edge_nm == pytest.approx(d_nm(63.5, 0.5), rel=3e-5)
    # At the beam q grows by 2π/λ · width/distance per pixel.
    assert resolution.pixel == pytest.approx(0.6 / 323 / 0.26953, rel=1e-4)


def test_radial_mean_of_a_function_of_s_is_that_function(geometry: Geometry) -> None:
    resolution = Resolution.of(geometry)
    profile = resolution.radial_mean(3 - resolution.s)
    # Pixels of a ring lie anywhere in it: their mean is off the ring's middle by half its width at most.
    np.testing.assert_allclose(profile, 3 - resolution.ring_middles, atol=resolution.pixel / 2)
    assert resolution.ring_middles[-1] < 1 / resolution.edge_nm


def test_radial_mean_against_a_loop_over_rings(geometry: Geometry) -> None:
    mask = np.zeros((128, 128), bool)
    mask[:, 60:70] = True
    masked = Resolution(Resolution.of(geometry).s, ~mask, Resolution.of(geometry).pixel)
    pattern = np.random.default_rng(0).random((128, 128))
    profile = masked.radial_mean(pattern)
    for ring in (5, 20, 61):
        inside = (masked.s >= ring * masked.pixel) & (masked.s < (ring + 1) * masked.pixel) & ~mask
        assert profile[ring] == pytest.approx(pattern[inside].mean())


def test_a_ring_without_usable_pixels_has_no_mean(geometry: Geometry) -> None:
    whole = Resolution.of(geometry)
    stopped = Resolution(whole.s, whole.s > 3 * whole.pixel, whole.pixel)
    profile = stopped.radial_mean(np.ones((128, 128)))
    assert np.isnan(profile[:3]).all()
    assert (profile[3:] == 1).all()
