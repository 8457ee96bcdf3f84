"""Frames: exactly so many visible spots, noise as a Rayonix has it, the same bytes from the same seed."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from frames.store.hits import HIT_CLASSES, hit_class
from simulate.sfx import frame, plan
from simulate.sfx.crystal import crystal
from simulate.sfx.detector import cspad, detector
from simulate.sfx.frame_numba import add_spots, read
from simulate.sfx.normals_numba import corrected, normals, poisson
from support.made.crystals import REAL, config, needs_real, noise


@pytest.mark.parametrize("n_spots", [0, 3, 9, 60])
def test_exactly_so_many_spots_are_visible(n_spots: int) -> None:
    given = config()
    camera, cells = detector(given), crystal(given.crystal, given.crystal.resolution_A)
    made = frame.make(given, cells, camera, 7, n_spots)
    assert made.visible.sum() == n_spots
    # Visible by the definition, with the spots' own numbers, and no other apart from them that could be counted.
    assert (made.snr[made.visible] > frame.VISIBLE).all()
    others = np.flatnonzero(~made.visible & (made.snr > frame.VISIBLE))
    column, row = np.rint(made.spots.x).astype(int), np.rint(made.spots.y).astype(int)
    for i in others:
        near = np.hypot(made.spots.x - made.spots.x[i], made.spots.y - made.spots.y[i])
        hidden = not frame.surrounded(camera, column[i : i + 1], row[i : i + 1])[0]
        assert hidden or np.sort(near)[1] < frame.APART


def test_the_same_seed_makes_the_same_frame_and_another_does_not() -> None:
    given = config()
    camera, cells = detector(given), crystal(given.crystal, given.crystal.resolution_A)
    first, again, other = (frame.make(given, cells, camera, seed, 12).adu for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_frame_that_cannot_be_says_what_to_change() -> None:
    given = config(crystal={"resolution_A": 12, "cell": (42, 52, 60, 90, 90, 90)})
    with pytest.raises(ValueError, match="lower most_spots"):
        frame.make(given, crystal(given.crystal, 12), detector(given), 1, 200)


def test_noise_is_a_rayonix_s() -> None:
    """Kernel [a b a]² of Poisson photons: variance over mean (2a² + b²)² = .305, correlations .370 and .137."""
    given = config(detector={"binning": 1, "n_pixels": 1280, "hot_fraction": 0}, background={"tape": None})
    made = frame.make(given, crystal(given.crystal, 2.5), detector(given), 3, 0, blank=True)
    ratio, *near, diagonal = noise(made.adu - 10.0, detector(given).live)
    assert abs(ratio - 0.29) < 0.04
    assert max(abs(value - 0.37) for value in near) < 0.05
    assert abs(diagonal - 0.13) < 0.05


@needs_real
def test_the_real_frame_s_noise_is_within_the_same_limits() -> None:
    real = np.load(REAL / "rayonix" / "hit-20181213155134902.npz")
    ratio, *near, diagonal = noise(real["image"], real["mask"])
    assert abs(ratio - 0.29) < 0.04
    assert max(abs(value - 0.37) for value in near) < 0.05
    assert abs(diagonal - 0.13) < 0.05


def test_peaks_per_hit_are_as_in_an_experiment() -> None:
    given = config(frames={"hit": 4000, "maybe": 600, "miss": 3000, "median_spots": 22})
    drawn = plan.draw(given.frames, 5)
    hits = drawn.loc[drawn["hit"] == "hit", "n_spots"]
    assert abs(hits.median() - 22) <= 1
    assert hits.min() >= 10
    assert 150 < hits.max() <= 213
    assert (np.array(HIT_CLASSES)[hit_class(drawn["n_spots"])] == drawn["hit"]).all()
    misses = drawn[drawn["hit"] == "miss"]
    assert abs(misses["blank"].mean() - 1 / 3) < 5 * np.sqrt(2 / 9 / 3000)  # five standard errors


def test_normal_numbers_are_those_of_the_inverse() -> None:
    u, z = np.empty(100_000), np.empty(100_000)
    normals(np.uint64(3), 0, u, z)
    assert np.abs(z - ndtri(u)).max() < 6 * 1.2e-9  # Acklam's relative error, at |z| up to 6


@pytest.mark.parametrize("mean", [16.0, 100.0, 3000.0])
def test_large_poisson_numbers_have_poisson_s_distribution(mean: float) -> None:
    z = np.linspace(-7, 7, 20_001)
    values = np.array([corrected(mean, one) for one in z])
    counts = np.arange(int(mean - 6 * mean**0.5), int(mean + 6 * mean**0.5))
    found = stats.norm.cdf(z[np.searchsorted(values, counts + 0.5).clip(0, len(z) - 1)])
    assert np.abs(found - stats.poisson.cdf(counts, mean)).max() < 7e-4 + 14 / 20_000 * 0.4  # the grid's own step


def test_small_poisson_numbers_are_poisson_s() -> None:
    means = np.full(200_000, 2.5, np.float32)
    poisson(means, np.uint64(9))
    found = np.bincount(means.astype(int), minlength=12)[:12]
    chi2 = (
        (found - 200_000 * stats.poisson.pmf(np.arange(12), 2.5)) ** 2
        / (200_000 * stats.poisson.pmf(np.arange(12), 2.5))
    ).sum()
    assert stats.chi2.sf(chi2, 12) > 1e-4


def test_light_is_spread_after_it_was_counted_and_none_is_lost() -> None:
    photons = np.zeros((9, 9), np.float32)
    photons[4, 4] = 1000
    flat, adu = np.ones((9, 9), np.float32), np.empty((9, 9), np.uint16)
    read(photons, 0.143, flat, 0 * flat, np.ones((9, 9), bool), 0.0, 0.0, 65534.0, np.uint64(0), adu)
    kernel = np.array([0.143, 0.714, 0.143])
    assert np.abs(adu[3:6, 3:6] - 1000 * np.outer(kernel, kernel)).max() <= 0.5 + 1e-3
    assert adu.sum() == pytest.approx(1000, abs=5)


def test_a_spot_puts_all_its_photons_down() -> None:
    image = np.zeros((40, 40), np.float32)
    add_spots(
        *(np.array([v]) for v in (20.3, 18.8, 500.0)), np.array([[0.6, 0.2, 0.4]]), np.ones((40, 40), bool), image
    )
    y, x = np.indices(image.shape)
    assert image.sum() == pytest.approx(500, rel=1e-5)
    assert (image * x).sum() / 500 == pytest.approx(20.3, abs=0.01)
    assert (image * y).sum() / 500 == pytest.approx(18.8, abs=0.01)


def test_a_cspad_has_64_chips() -> None:
    from scipy.ndimage import label

    assert label(cspad())[1] == 64
    assert abs(cspad().mean() - 64 * 185 * 194 / 1765**2) < 1e-3
