"""Detector models and what they leave of an image."""

from itertools import combinations

import numpy as np
import pytest
from pydantic import ValidationError

from simulate.experiment.config import NATIVE_PIXEL_UM, DetectorConfig
from simulate.experiment.panels import LAYOUTS, Panel, coverage, panels

COVERING = {"pnccd": 160, "epix10k": 216, "jungfrau4m": 300, "agipd1m": 160}
"""Image pixels, of 8x8 native ones, along an edge of an image that holds the whole detector."""

NATIVE_PIXELS = {
    "pnccd": 1024 * 1024 - 2 * 70 * 23,  # less the notches about the beam
    "epix10k": 16 * 352 * 384,
    "jungfrau4m": 8 * 512 * 1024,
    "agipd1m": 16 * 128 * 512,
}


def shares(model: str, n_pixels: int, binning: int = 1, **settings) -> np.ndarray:
    return coverage(DetectorConfig(model=model, n_pixels=n_pixels, binning=binning, **settings))


def edges(panel: Panel) -> tuple[int, int, int, int]:
    """Smallest and largest x, smallest and largest y."""
    far = [panel.corner[axis] + panel.n_fast * panel.fast[axis] + panel.n_slow * panel.slow[axis] for axis in (0, 1)]
    (x0, x1), (y0, y1) = (sorted((panel.corner[axis], far[axis])) for axis in (0, 1))
    return x0, x1, y0, y1


@pytest.mark.parametrize("model", LAYOUTS)
def test_an_image_that_holds_the_detector_counts_each_native_pixel_once(model: str) -> None:
    assert sum(panel.n_fast * panel.n_slow for panel in panels(model)) == NATIVE_PIXELS[model]
    live = shares(model, COVERING[model], 8)
    assert live.sum() * 64 == NATIVE_PIXELS[model]
    assert live.max() == 1
    assert not live[[0, -1]].any() or not live[:, [0, -1]].any()


@pytest.mark.parametrize("model", LAYOUTS)
def test_no_panel_overlaps_another(model: str) -> None:
    for a, b in combinations(map(edges, panels(model)), 2):
        assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]


@pytest.mark.parametrize("model", LAYOUTS)
def test_the_beam_passes_between_the_panels(model: str) -> None:
    assert not shares(model, 8).any()


@pytest.mark.parametrize(("model", "quarters"), [("pnccd", 2), ("epix10k", 1), ("jungfrau4m", 2), ("agipd1m", 2)])
def test_a_symmetric_layout_gives_a_symmetric_image(model: str, quarters: int) -> None:
    live = shares(model, COVERING[model], 8)
    assert np.array_equal(live, np.rot90(live, quarters))


def test_an_asic_is_as_large_as_its_maker_says() -> None:
    """Runs of live pixels along a row and a column through one module, at native resolution."""

    def runs(line: np.ndarray) -> list[int]:
        changes = np.flatnonzero(np.diff(np.concatenate([[0], line, [0]])))
        return list(np.diff(changes))

    agipd = shares("agipd1m", 1280)
    row = agipd[640 + 40]  # y = 40: the first module above the beam on either side
    assert runs(row)[:16:2] == [64] * 8
    assert runs(row)[1:15:2] == [2] * 7
    column = agipd[:, 640 - 300]
    assert runs(column) == [128, 29] * 3 + [128, 36] + [128, 29] * 3 + [128]
    pnccd = shares("pnccd", 1280)
    assert runs(pnccd[:, 640 + 100]) == [512, 24, 512]
    assert runs(pnccd[:, 640]) == [489, 70, 489]
    assert runs(pnccd[640 + 20]) == [477, 70, 477]


def test_pnccd_binned_eight_by_eight() -> None:
    detector = DetectorConfig(model="pnccd", n_pixels=128, binning=8)
    assert detector.image_pixel_size_um == 600
    live = coverage(detector)
    assert live.shape == (128, 128)
    # The gap takes 12 native rows on either side of the beam: one image row whole, half of the next.
    assert np.all(live[64, :] == 0)
    assert np.all(live[65, :50] == 0.5)
    assert np.all(live[70] == 1)


def test_against_native_pixels_one_by_one() -> None:
    """AGIPD on an image smaller than it, with a binning that divides nothing."""
    n, binning = 91, 7
    expected = np.zeros((n, n))
    for panel in panels("agipd1m"):
        for slow in range(panel.n_slow):
            for fast in range(panel.n_fast):
                x, y = (
                    panel.corner[axis] + (fast + 0.5) * panel.fast[axis] + (slow + 0.5) * panel.slow[axis]
                    for axis in (0, 1)
                )
                column, row = int((x + n * binning / 2) // binning), int((y + n * binning / 2) // binning)
                if 0 <= column < n and 0 <= row < n:
                    expected[row, column] += 1 / binning**2
    np.testing.assert_allclose(shares("agipd1m", n, binning), expected, rtol=1e-12)


def test_a_turn_goes_from_x_to_y() -> None:
    panel = Panel((10, 2), (1, 0), (0, 1), 3, 2)
    x, y = panel.centres()
    turned_x, turned_y = panel.turned(1).centres()
    assert np.array_equal(turned_x, -y * np.ones_like(x))
    assert np.array_equal(turned_y, x * np.ones_like(y))


@pytest.mark.parametrize("model", NATIVE_PIXEL_UM)
def test_missing_parts_take_the_same_side_of_every_model(model: str) -> None:
    whole = shares(model, 64, 8)
    quarter, half, three = (shares(model, 64, 8, missing=part) for part in ("quarter", "half", "three_quarters"))
    assert not quarter[32:, 32:].any()
    assert not half[32:].any()
    assert not three[32:].any()
    assert not three[:, 32:].any()
    assert np.array_equal(quarter[:32], whole[:32])
    assert np.array_equal(half[:32], whole[:32])
    assert np.array_equal(three[:32, :32], whole[:32, :32])
    assert quarter[32:, :32].any()


def test_square_is_live_everywhere() -> None:
    assert np.all(shares("square", 33) == 1)
    with pytest.raises(ValueError, match="'square' has no panels; those that have: pnccd"):
        panels("square")


def test_every_model_of_the_config_has_a_layout_and_a_pixel() -> None:
    with pytest.raises(ValidationError) as error:
        DetectorConfig(model="none")
    known = error.value.errors()[0]["ctx"]["expected"]
    assert all(f"'{model}'" in known for model in NATIVE_PIXEL_UM)
    assert known.count("'") == 2 * len(NATIVE_PIXEL_UM)
    assert set(LAYOUTS) == set(NATIVE_PIXEL_UM) - {"square"}
