"""Pixels in reciprocal space: closed forms, symmetry, and skopi's arrays in our order."""

import numpy as np
import pytest

from frames.geometry import Geometry, wavelength
from simulate.experiment.geometry import beamstop_mask, scattering_vectors, square_detector


def test_q_of_a_corner_pixel_by_hand(geometry: Geometry) -> None:
    x = (127 / 2) * 600e-6
    angle = np.arctan(np.hypot(x, x) / 0.323)
    expected = 4 * np.pi / wavelength(4600) * np.sin(angle / 2)
    # 1e-7: skopi's hc has nine digits.
    assert np.linalg.norm(geometry.q[0, 0]) == pytest.approx(expected, rel=1e-7)
    assert geometry.q_max == pytest.approx(expected, rel=1e-7)


def test_rows_run_along_y_and_columns_along_x(geometry: Geometry) -> None:
    assert np.all(np.diff(geometry.q[64, :, 0]) > 0)
    assert np.all(np.diff(geometry.q[:, 64, 1]) > 0)
    assert np.allclose(geometry.q[:, :, 0], geometry.q[:, :, 1].T)


def test_pixels_lie_on_the_ewald_sphere(geometry: Geometry) -> None:
    k = 2 * np.pi / wavelength(4600)
    assert np.linalg.norm(geometry.q + np.array([0, 0, k]), axis=-1) == pytest.approx(k, rel=1e-7)


def test_steps_are_differences_of_pixel_edges(geometry: Geometry) -> None:
    # Neighbouring pixels share an edge: centre to centre is the mean of two half steps, up to curvature ~ (pixel/L)².
    between = geometry.q[:, 1:] - geometry.q[:, :-1]
    mean_step = (geometry.q_step_x[:, 1:] + geometry.q_step_x[:, :-1]) / 2
    assert np.abs(between - mean_step).max() < 1e-5 * geometry.q_step


def test_total_solid_angle_is_that_of_a_square(geometry: Geometry) -> None:
    # A square of half side a at distance d, on axis: Ω = 4 arcsin(a² / (a² + d²)).
    a, d = 64 * 600e-6, 0.323
    # Pixel centres stand for their area; the midpoint rule errs by (pixel/d)²/24·O(1) < 1e-6.
    assert geometry.solid_angle.sum() == pytest.approx(4 * np.arcsin(a**2 / (a**2 + d**2)), rel=1e-6)


def test_polarisation_is_one_minus_the_squared_component_along_x(geometry: Geometry) -> None:
    k = 2 * np.pi / wavelength(4600)
    along_x = geometry.q[..., 0] / k
    assert geometry.polarisation == pytest.approx(1 - along_x**2, rel=1e-6)


def test_one_electron_scatters_the_thomson_cross_section(geometry: Geometry) -> None:
    # r_e = 2.8179403 fm: photons = r_e² · fluence · solid angle, where the polarisation factor is 1: the
    # innermost pixel has 1 − 9e-7.
    photons = geometry.photons_per_electron2()[64, 64]
    assert photons == pytest.approx((2.8179403e-9) ** 2 * (600e-6 / 0.323) ** 2, rel=1e-5)


def test_masked_pixels_collect_nothing() -> None:
    mask = beamstop_mask(16, 3.0)
    geometry = square_detector(photon_energy_eV=4600, n_pixels=16, pixel_size_um=600, distance_mm=323, mask=mask)
    assert mask.sum() == 32  # pixel centres within 3 pixels of the middle of an even grid: 32 of them
    assert np.all(geometry.photons_per_electron2()[mask] == 0)
    assert np.all(geometry.photons_per_electron2()[~mask] > 0)


def test_a_pixel_half_covered_collects_half() -> None:
    live = np.ones((16, 16))
    live[3, 4], live[5, 6] = 0.5, 0.0
    settings = {"photon_energy_eV": 4600, "n_pixels": 16, "pixel_size_um": 600, "distance_mm": 323}
    mask = beamstop_mask(16, 3.0)
    whole, part = square_detector(**settings), square_detector(**settings, mask=mask, live=live)
    share = part.photons_per_electron2() / whole.photons_per_electron2()
    assert share[3, 4] == 0.5
    assert share[5, 6] == 0
    assert np.array_equal(part.mask, mask | (live == 0))
    assert (part.photon_energy_eV, part.pixel_size_um, part.distance_mm) == (4600, 600, 323)


def test_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(8, 8\).*\(16, 16\)"):
        square_detector(
            photon_energy_eV=4600, n_pixels=16, pixel_size_um=600, distance_mm=323, mask=np.zeros((8, 8), dtype=bool)
        )


def test_forward_scattering_has_no_momentum() -> None:
    assert scattering_vectors(np.array([0.0, 0.0, 0.3]), 2.0) == pytest.approx(np.zeros(3))


def test_file_round_trip(geometry: Geometry, tmp_path) -> None:
    geometry.save(tmp_path / "geometry.npz")
    again = Geometry.load(tmp_path / "geometry.npz")
    assert np.array_equal(again.q, geometry.q)
    assert np.array_equal(again.live, geometry.live)
    assert again.distance_mm == geometry.distance_mm
