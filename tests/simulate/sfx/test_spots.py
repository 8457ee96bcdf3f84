"""Spots: against nanoBragg, against the definition summed in three dimensions, and against closed forms."""

import numpy as np
import pytest

from simulate.sfx.crystal import Crystal
from simulate.sfx.excited_numba import excited
from simulate.sfx.spots import ELECTRON_RADIUS_A, Beam, Camera, cut, polarised, spots
from support.made.crystals import REAL, needs_real


@needs_real
def test_they_lie_where_nanobragg_has_them_and_are_as_bright() -> None:
    reference = np.load(REAL / "nanobragg" / "reference.npz")
    image = reference["image"].astype(float)
    # Its lab has the beam along x, rows along z and columns against y; its first pixel's middle is half a pixel beyond
    # what it calls the origin, as MOSFLM has it.
    turned = np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0]], float) @ reference["reciprocal_columns"]
    hkl, cells, volume = reference["hkl"], float(reference["N"]), float(reference["cell"].prod())
    half = hkl[np.arange(len(hkl)), (hkl != 0).argmax(axis=1)] > 0
    crystal = Crystal(turned, volume, hkl[half], reference["F"][half] ** 2)
    middle = image.shape[0] / 2 + 0.5
    camera = Camera(float(reference["distance_mm"]), float(reference["pixel_mm"]), (middle, middle))
    exposure = float(reference["fluence"]) * 1e-20 * cells**3 * volume
    beam = Beam(float(reference["wavelength_A"]), 0, 0, 0)
    found = spots(crystal, np.eye(3), beam, camera, np.full(3, cells), 0.0, exposure)
    inside = (np.abs(found.x - middle) < 350) & (np.abs(found.y - middle) < 350)
    found = found.take(inside)
    brightest = np.argsort(-found.photons)[:40]
    for i in brightest:
        row, column = round(found.y[i]), round(found.x[i])
        part = image[row - 10 : row + 11, column - 10 : column + 11]
        y, x = np.indices(part.shape) - 10
        dx = (part * x).sum() / part.sum() + column - found.x[i]
        dy = (part * y).sum() / part.sum() + row - found.y[i]
        # Beyond three deviations only side lobes reach the sphere, whose middle is not a Gaussian's.
        if abs(found.error[i]) < 3 * found.deviation[i]:
            assert np.hypot(dx, dy) < 0.5, (i, dx, dy)
        assert found.photons[i] == pytest.approx(part.sum(), rel=0.1)


def test_a_cut_is_what_a_sum_over_the_cloud_gives() -> None:
    """g and m by summing sin²/sin² products over planes, term by term; the window leaves 2 % of the tails out."""
    edges = np.diag([1 / 900, 1 / 1100, 1 / 1500]) @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0].T
    normal = np.array([0.3, -0.5, 0.81])
    normal /= np.linalg.norm(normal)
    one, two = np.linalg.svd(normal[None])[2][1:]
    grid = np.linspace(-0.02, 0.02, 801)
    step = grid[1] - grid[0]
    u, v = np.meshgrid(grid, grid)
    block = np.linalg.inv(edges)  # rows: the block's edges [Å], dual to a*_i / N_i

    def cloud(error: float) -> np.ndarray:
        points = error * normal + u[..., None] * one + v[..., None] * two
        return (np.sinc(points @ block.T) ** 2).prod(axis=-1) * abs(np.linalg.det(block))

    for error in (0.0, 3e-4, 7e-4):
        share, middle = cut(np.array([error]), normal[None], edges, np.zeros((1, 3, 3)))
        values = cloud(error)
        assert share[0] == pytest.approx(values.sum() * step**2, rel=0.02)
        assert middle[0] @ normal == pytest.approx(error, abs=1e-9)


def test_gaussian_clouds_have_the_partiality_of_the_notes() -> None:
    """Where mosaicity outweighs size by far, g is a Gaussian's exp(-e²/2σ²) / (σ √2π)."""
    sigma = 2e-3
    blur, edges = np.eye(3)[None] * sigma**2, np.eye(3) / 1e7
    error = np.array([0.0, sigma, 2 * sigma])
    share, middle = cut(error, np.tile([0.0, 0, 1], (3, 1)), edges, np.repeat(blur, 3, axis=0))
    # The block of 10⁷ Å takes 10⁻⁵ off where a Gaussian of 80 Å is left.
    assert share == pytest.approx(np.exp(-(error**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi)), rel=1e-4)
    assert middle[:, 2] == pytest.approx(error, abs=1e-7)


def test_the_loop_finds_what_a_search_of_all_finds() -> None:
    rng = np.random.default_rng(0)
    hkl = np.array([(h, k, m) for h in range(1, 12) for k in range(-11, 12) for m in range(-11, 12)], np.int16)
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0] / np.array([40.0, 60, 90])
    k, size2, angle2, radial2 = 1 / 1.3, 1e-6, 1e-6, 4e-6
    found, signs = excited(hkl, basis, k, size2, angle2, radial2, 4.0)
    expected = set()
    for sign in (1, -1):
        q = sign * hkl @ basis.T
        s2 = (q**2).sum(axis=1)
        error = np.linalg.norm(q + np.array([0, 0, k]), axis=1) - k
        limit2 = 16 * (size2 + angle2 * s2 * (1 - s2 / (4 * k * k)) + radial2 * s2**2 / (4 * k * k))
        expected |= {(i, sign) for i in np.flatnonzero(error**2 <= limit2)}
    assert expected == set(zip(found.tolist(), signs.tolist(), strict=True))
    assert len(expected) > 20


def test_a_reflection_turned_through_the_sphere_gives_darwin_s_total() -> None:
    """∫ over the excitation error of the spot's photons is J r_e² P λ² |F|² V_crystal / V²."""
    errors = np.linspace(-0.0016, 0.0016, 1601)  # as far as reflections are looked for
    share, _ = cut(errors, np.tile([0.0, 0, 1], (len(errors), 1)), np.eye(3) / 1000, np.zeros((len(errors), 3, 3)))
    assert share.sum() * (errors[1] - errors[0]) == pytest.approx(
        1 - 1 / (np.pi**2 * 1.6), abs=0.01
    )  # tails of sin²: 1/(π² L s)
    assert pytest.approx(2.8179e-5, rel=1e-4) == ELECTRON_RADIUS_A


def test_light_polarised_along_x_scatters_nothing_along_x() -> None:
    assert polarised(np.array([1.0, 0, 0]), 1.0) == 0
    assert polarised(np.array([0.0, 1, 0]), 1.0) == 1
    assert polarised(np.array([0.6, 0, 0.8]), 0.0) == pytest.approx((1 + 0.8**2) / 2)
