"""Figures of trust: files that are there, and hold what they should."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from evaluate.metrics.accuracy import wilson_interval
from evaluate.metrics.calibration import Reliability
from report.classification.figures import reliability
from report.plot import style


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure, after it was drawn."""
    seen: list[Figure] = []

    class Seen(Figure):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            seen.append(self)

    monkeypatch.setattr(style, "Figure", Seen)
    return seen


def test_reliability_has_a_line_for_every_model_before_and_after(drawn: list[Figure], tmp_path: Path) -> None:
    before = {
        "late3": Reliability(np.array([0.6, 0.9]), np.array([0.5, 0.7]), np.array([5, 5])),
        "total_intensity": Reliability(np.array([0.55]), np.array([0.52]), np.array([10])),
    }
    after = before | {"late3": Reliability(np.array([0.52, 0.71]), np.array([0.5, 0.7]), np.array([5, 5]))}
    reliability.reliability(tmp_path / "reliability.svg", before, after, baselines=["total_intensity"])
    assert (tmp_path / "reliability.svg").stat().st_size > 5000
    for axes, curves in zip(drawn[0].axes, (before, after), strict=True):
        # The lowest end of an interval: Wilson's of a half of five is 0.15 to 0.85, see test_metrics.py.
        assert axes.get_xlim()[0] == axes.get_ylim()[0] == pytest.approx(10)
        diagonal, *lines = [line for line in axes.lines if len(line.get_xdata())]
        bars = [bar.get_segments() for bar in axes.collections]
        assert len(bars) == len(curves)
        for drawn_bars, curve in zip(bars, curves.values(), strict=True):
            expected = [wilson_interval(right, n) for right, n in zip(curve.accuracy, curve.n, strict=True)]
            np.testing.assert_allclose([segment[:, 1] / 100 for segment in drawn_bars], expected)
            np.testing.assert_allclose([segment[0, 0] / 100 for segment in drawn_bars], curve.confidence)
        assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
        for line, (model, curve) in zip(lines, curves.items(), strict=True):
            assert line.get_label() == model.replace("_", " ")
            np.testing.assert_allclose(line.get_xydata().T, 100 * np.array(curve[:2]))
        assert lines[1].get_color() == style.QUIET != lines[0].get_color()


def test_purity_is_drawn_against_yield_with_the_chosen_points(drawn: list[Figure], tmp_path: Path) -> None:
    found = np.linspace(0.001, 1, 1000)
    curves = {"late3": (found, 1 - 0.7 * found), "late10": (found, 1 - 0.7 * found**2)}
    points = {"late3": [(0.05, 0.96), (np.nan, np.nan)]}
    reliability.purity_yield(tmp_path / "purity.svg", curves, points, 0.3)
    assert (tmp_path / "purity.svg").stat().st_size > 5000
    axes = drawn[0].axes[0]
    everything, late3, point, missing, late10, _ = axes.lines
    assert list(everything.get_ydata()) == [0.3, 0.3]
    for line, (x, purity) in zip((late3, late10), curves.values(), strict=True):
        seen = line.get_xydata()
        assert len(seen) <= reliability.N_DRAWN
        np.testing.assert_allclose(seen[[0, -1], 0], [0.1, 100])
        # On the curve, whichever thresholds are drawn; no higher than the axis.
        expected = np.interp(seen[:, 0] / 100, x, purity).clip(max=reliability.HIGHEST_PURITY)
        np.testing.assert_allclose(seen[:, 1], expected, rtol=1e-12)
    np.testing.assert_allclose(point.get_xydata(), [[5, 0.96]])
    assert np.isnan(missing.get_xydata()).all()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        *("all patterns kept: 30 %,\nbelow this axis", "late3", "late10", "chosen on validation")
    ]
    assert axes.get_ylim()[0] == 0.8
    assert axes.get_ylabel().endswith("from 80")


@pytest.mark.parametrize(
    ("reached", "highest", "lowest"),
    [
        *(([0.95, 0.99], [1.0], 0.8), ([0.78], [1.0], 0.7), ([], [0.55, 0.999], 0.5), ([], [0.3], 0.7 * 0.25)),
    ],
)
def test_the_axis_of_purity_begins_where_selection_does(
    reached: list[float], highest: list[float], lowest: float
) -> None:
    assert reliability.lowest_purity(reached, highest, 0.25) == pytest.approx(lowest)
