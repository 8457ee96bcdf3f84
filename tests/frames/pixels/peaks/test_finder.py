"""The peak finder: on frames whose spots are known, on real ones, on hard backgrounds."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from frames.pixels.peaks.config import PeakConfig
from frames.pixels.peaks.finder import Mask, find_peaks
from frames.pixels.peaks.finder_numba import smooth
from simulate.sfx import frame
from simulate.sfx.crystal import crystal
from simulate.sfx.detector import detector
from support.made.crystals import REAL, config, needs_real


def found_of(places: np.ndarray, peaks: pd.DataFrame, within: float = 2.5) -> int:
    """How many places have a peak near."""
    return int((cKDTree(peaks[["x", "y"]]).query(places)[0] < within).sum()) if len(peaks) else 0


def test_it_finds_190_of_197_and_next_to_nothing_else() -> None:
    """Frames as in the table of finders: 1024², tape, 197 spots above 6 deviations."""
    given = config(
        frames={"hit": 1, "maybe": 0, "miss": 0},
        background={"tape": {}, "ice_fraction": 0, "streak_fraction": 0, "water_photons": 3900},
        detector={"n_pixels": 1024, "binning": 1, "hot_fraction": 0},
        crystal={"resolution_A": 2},
    )
    camera, cells = detector(given), crystal(given.crystal, 2.0)
    mask, found, wrong, blank = Mask.of(camera.live), [], 0, 0
    for seed in range(4):
        made = frame.make(given, cells, camera, seed, 197)
        peaks = find_peaks(made.adu, mask)
        places = np.stack([made.spots.x, made.spots.y], -1)
        found.append(found_of(places[made.visible], peaks))
        wrong += len(peaks) - found_of(peaks[["x", "y"]].to_numpy(), pd.DataFrame(places, columns=["x", "y"]))
        blank += len(find_peaks(frame.make(given, cells, camera, seed, 0, blank=True).adu, mask))
    assert np.mean(found) >= 190
    # Less than .1 a frame: of eight frames' .8, Poisson's 99.9 % is 4.
    assert wrong + blank <= 4


@needs_real
def test_on_a_real_hit_on_tape() -> None:
    real = np.load(REAL / "rayonix" / "hit-20181213155134902.npz")
    dials = pd.read_csv(next((REAL / "rayonix").glob("spots_*.csv")))
    assert found_of(dials[["x_px", "y_px"]].to_numpy() - 0.5, find_peaks(real["image"], Mask.of(real["mask"]))) >= 44


@needs_real
@pytest.mark.parametrize("number", [401, 601])
def test_on_real_frames_of_a_cspad(number: int) -> None:
    name = f"idx-20130301060858{number}"
    image, dials = np.load(REAL / f"{name}.npz")["image"], pd.read_csv(REAL / f"{name}_spots.csv")
    if dials["h"].notna().any():
        dials = dials[dials["h"].notna()]
    peaks = find_peaks(image, Mask.of(image != -9999), PeakConfig(photon_adu=25))
    places = dials[["x_px", "y_px"]].to_numpy() - 0.5
    assert found_of(places, peaks) >= 0.9 * len(dials)
    # Nine in ten of what DIALS lists lie within 530 pixels of the beam: what is found beyond 640 is false, next to
    # all of it. By deviations of a Gaussian that is more than 800 a frame.
    assert np.quantile(np.hypot(*(places - 880).T), 0.9) < 530
    assert (np.hypot(peaks["x"] - 880, peaks["y"] - 880) > 640).sum() <= 20


def test_photons_one_by_one_are_no_peaks_and_many_at_once_are() -> None:
    """.4 photons a pixel: 5.5 deviations of a Gaussian are exceeded by chance, 12 photons in 2 x 2 pixels are not."""
    rng = np.random.default_rng(6)
    image = 25.0 * rng.poisson(0.4, (512, 512)) + rng.normal(0, 3, (512, 512))
    mask, known = Mask.of(np.ones(image.shape, bool)), PeakConfig(photon_adu=25)
    assert len(find_peaks(image, mask)) > 20
    assert len(find_peaks(image, mask, known)) <= 1
    places = np.array([[100, 100], [300, 250], [400, 77]])
    for column, row in places:
        image[row : row + 2, column : column + 2] += 25 * 8
    assert found_of(places + 0.5, find_peaks(image, mask, known), 0.7) == 3


def test_of_many_photons_it_does_not_matter_what_one_reads() -> None:
    image = np.random.default_rng(7).poisson(10_000, (128, 128)).astype(np.float32)
    image[60:62, 60:62] += 900
    mask = Mask.of(np.ones(image.shape, bool))
    one, other = find_peaks(image, mask), find_peaks(image, mask, PeakConfig(photon_adu=1))
    assert len(one) == len(other) == 1
    # Anscombe's root of k + z √k photons is z (1 - z / (4 √k)) above that of k, to second order.
    z, k = one["snr"][0], 10_000 * 64 / 9  # as many photons as the smoothed pixel's deviation stands for
    assert other["snr"][0] == pytest.approx(z * (1 - z / (4 * np.sqrt(k))), rel=0.03)


def test_a_stuck_pixel_is_no_peak_however_high() -> None:
    image = np.random.default_rng(8).poisson(1.0, (128, 128)).astype(np.float32)
    image[30, 30], image[30, 31] = 16_383, 8
    image[90, 90], image[90, 91] = 300, 80
    peaks = find_peaks(image, Mask.of(np.ones(image.shape, bool)))
    assert not found_of(np.array([[30, 30]]), peaks)
    assert found_of(np.array([[90, 90]]), peaks)


def test_shades_slopes_and_edges_are_no_peaks_and_what_lies_on_them_is() -> None:
    y, x = np.indices((256, 256))
    mean = 1000 + 2000 * np.exp(-(((x - 100) ** 2 + (y - 90) ** 2) / 4000)) - 200 * np.tanh((x - 150) / 6)
    rng = np.random.default_rng(2)
    image = gaussian_filter(rng.poisson(mean).astype(np.float32), 0.5)
    good = np.hypot(x - 100, y - 90) > 12
    assert len(find_peaks(image, Mask.of(good))) <= 1
    places = np.array([[150, 40], [120, 95], [30, 200], [154, 220]])
    for column, row in places:
        image += 900 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 1.5)
    assert found_of(places, find_peaks(image, Mask.of(good)), 0.7) == 4


def test_hot_pixels_and_lines_are_no_peaks() -> None:
    image = np.random.default_rng(3).poisson(400, (128, 128)).astype(np.float32)
    image[40, 40] += 3000
    image[80:82, 20:90] += 150
    mask = Mask.of(np.ones(image.shape, bool))
    assert not found_of(np.array([[40, 40]]), find_peaks(image, mask))
    assert found_of(np.array([[40, 40]]), find_peaks(image, mask, PeakConfig(min_pixels=1)))
    peaks = find_peaks(image, mask)
    assert not (peaks["y"].between(79, 82) & peaks["x"].between(25, 85)).any()


def test_smoothing_is_what_a_sum_gives() -> None:
    image = np.random.default_rng(4).normal(size=(40, 50)).astype(np.float32)
    good = np.random.default_rng(5).random(image.shape) > 0.1
    out, mask = np.empty_like(image), Mask.of(good)
    smooth(np.where(good, image, np.float32(0)), mask.weight, out)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    for row, column in ((0, 0), (20, 30), (39, 49), (5, 0)):
        if not mask.weight[row, column]:
            continue
        total = weight = 0.0
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if 0 <= row + dy < 40 and 0 <= column + dx < 50 and good[row + dy, column + dx]:
                    total += kernel[dy + 1, dx + 1] * image[row + dy, column + dx]
                    weight += kernel[dy + 1, dx + 1]
        assert out[row, column] == pytest.approx(total / weight, abs=1e-5)


@pytest.mark.parametrize(
    "image", [np.zeros((64, 64)), np.full((64, 64), 65535, np.uint16), np.full((64, 64), np.nan), -np.ones((64, 64))]
)
def test_frames_without_anything_have_no_peaks(image: np.ndarray) -> None:
    assert len(find_peaks(image, Mask.of(np.ones((64, 64), bool)))) == 0
    assert len(find_peaks(image, Mask.of(np.zeros((64, 64), bool)))) == 0


def test_a_mask_of_another_size_is_told() -> None:
    with pytest.raises(ValueError, match="they must be the same"):
        find_peaks(np.zeros((64, 64)), Mask.of(np.ones((64, 65), bool)))
