"""Figures: files that are there, and hold what they should."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import figure_names
from report.classification.draw import shown_first, side_by_side
from report.plot import gallery
from report.plot import patterns as figures
from report.plot import style as canvas
from report.plot.gallery import Condition
from report.plot.style import PATTERN_COLORS
from support.drawing import watch_drawing

Run = tuple[RunFiles, RunConfig]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure, after it was drawn."""
    return watch_drawing(monkeypatch, figures, gallery)


def conditions(n_structures: int = 3, n_multiplicities: int = 2) -> list[Condition]:
    shape = (n_structures, n_multiplicities, 16, 16)
    clean = np.random.default_rng(0).exponential(100, shape).astype(np.float32)
    noisy = np.random.default_rng(1).poisson(2, shape).astype(np.float32) - 0.1
    counted = np.arange(n_structures * n_multiplicities).reshape(shape[:2]) * 1000
    return [Condition("clean", clean, 0.007), Condition("noisy", noisy, 0.007, counted)]


def panels(figure: Figure) -> list:
    """Axes that show a pattern; the others are colour bars."""
    return [axes for axes in figure.axes if axes.get_images()]


def test_a_finished_run_has_exactly_the_figures_that_are_promised(finished_run: Run) -> None:
    files, config = finished_run
    written = {path.name: path.stat().st_size for path in (files.folder / "figures").iterdir()}
    assert set(written) == set(figure_names(config))
    targets = ("hit_multiplicity", "structure")
    confusions, reliabilities = (
        [f"{kind}_{name}" for name in names]
        for kind, names in (("confusion", (*targets, "both")), ("reliability", targets))
    )
    each = ("training", *confusions, *reliabilities, "selection_hit_multiplicity")
    assert set(written) == {
        *("classes.png", "datasets.png", "radial.svg", "accuracies.svg", "photon_curve.svg", "transfers_noisy.svg"),
        *(f"gallery_{name}.png" for name in ("clean", "noisy", "dim")),
        *(f"photons_{name}.svg" for name in ("clean", "noisy", "dim")),
        *(f"{kind}_{condition}.svg" for kind in each for condition in ("clean", "noisy")),
    }
    assert min(written.values()) > 5000


def test_shots_stand_side_by_side_where_both_conditions_have_their_structure() -> None:
    clean, noisy = conditions()
    shown, common = side_by_side([noisy, clean], {"clean": "abc", "noisy": "xca"})
    assert common == ["a", "c"]
    assert [one.name for one in shown] == ["clean", "noisy"]
    np.testing.assert_array_equal(shown[0].patterns, clean.patterns[[0, 2]])
    np.testing.assert_array_equal(shown[1].patterns, noisy.patterns[[2, 1]])
    np.testing.assert_array_equal(shown[1].counted, noisy.counted[[2, 1]])
    (alone,), common = side_by_side([clean, noisy], {"clean": "abc", "noisy": "xyz"})
    assert (alone.name, common) == ("clean", ["a", "b", "c"])


def test_overview_has_a_panel_for_every_class_and_condition(drawn: list[Figure], tmp_path: Path) -> None:
    gallery.gallery(tmp_path / "classes.png", conditions(), ["a", "b", "c"], [1, 2])
    texts = [text.get_text() for text in drawn[0].texts]
    assert len(panels(drawn[0])) == 3 * 2 * 2
    assert len(drawn[0].axes) == 3 * 2 * 2 + 2  # a colour bar each
    assert [texts.count(word) for word in ("1 particle", "2 particles", "clean", "noisy", "b")] == [1, 1, 2, 2, 1]
    labels = [axes.get_xlabel() for axes in drawn[0].axes if not axes.get_images()]
    assert labels == [
        *("clean: expected photons per pixel", "noisy: photons per pixel; in a corner, all of the pattern"),
    ]


def test_photons_are_written_into_counted_patterns_only(drawn: list[Figure], tmp_path: Path) -> None:
    gallery.gallery(tmp_path / "classes.png", conditions(), ["a", "b", "c"], [1, 2])
    written = [text.get_text() for axes in panels(drawn[0]) for text in axes.texts]
    assert written == ["0.02 nm⁻¹", "0", "1,000", "2,000", "3,000", "4,000", "5,000"]


def test_scale_bar_is_as_long_as_it_says(drawn: list[Figure], tmp_path: Path) -> None:
    gallery.gallery(tmp_path / "one.png", conditions()[:1], ["a", "b", "c"], [1, 2])
    axes = panels(drawn[0])[0]
    start, end = axes.lines[0].get_xdata()
    assert axes.texts[0].get_text() == "0.02 nm⁻¹"
    assert (end - start) * 0.007 == pytest.approx(0.02)
    assert 0 <= start < end <= 16


def test_each_detector_has_a_scale_bar_of_its_own(drawn: list[Figure], tmp_path: Path) -> None:
    """Eight pixels of double width over the same angles share the first panel's bar; eight of that width do not."""
    clean, noisy = conditions()
    coarse = replace(noisy, patterns=noisy.patterns[..., ::2, ::2], pixel_s=0.014)
    near = replace(noisy, patterns=noisy.patterns[..., ::2, ::2])
    for number, (other, bars) in enumerate(((coarse, 1), (near, 2))):
        gallery.gallery(tmp_path / f"{number}.png", [clean, other], ["a", "b", "c"], [1, 2])
        found = [axes for axes in panels(drawn[number]) if axes.lines]
        assert len(found) == bars
        for axes, condition in zip(found, (clean, other), strict=False):
            start, end = axes.lines[0].get_xdata()
            label = next(text.get_text() for text in axes.texts if "nm⁻¹" in text.get_text())
            assert (end - start) * condition.pixel_s == pytest.approx(float(label.split()[0]))


def test_every_dataset_has_a_row_of_its_own_scale(drawn: list[Figure], tmp_path: Path) -> None:
    clean, noisy = conditions()
    rows = {"clean": clean, "noisy": noisy.of([1]), "dim_and_far": replace(clean, pixel_s=0.014)}
    gallery.beside_one_another(tmp_path / "all.png", rows, {"clean": "a", "noisy": "b", "dim_and_far": "a"}, [1, 2])
    shown = panels(drawn[0])
    assert len(shown) == 3 * 2
    images = [axes.get_images()[0].get_array() for axes in shown]
    for row, condition in enumerate(rows.values()):
        for column in range(2):
            np.testing.assert_allclose(images[2 * row + column], np.maximum(condition.patterns[0, column], 1e-30))
    assert len({axes.get_images()[0].norm.vmax for axes in shown}) == 2  # clean and dim_and_far are as bright
    texts = [text.get_text() for text in drawn[0].texts]
    assert texts == ["clean\n(a)", "1 particle", "2 particles", "noisy\n(b)", "dim_and_far\n(a)"]
    assert [text.get_text() for axes in shown[2:4] for text in axes.texts if "nm" not in text.get_text()] == [
        *("2,000", "3,000"),
    ]


def test_of_each_dataset_the_structure_is_shown_that_most_have() -> None:
    structures = ["abc", "bcd", "xy"]
    assert [shown_first(structures, here) for here in structures] == ["b", "b", "x"]


def test_shots_that_hit_nothing_have_a_column(drawn: list[Figure], tmp_path: Path) -> None:
    gallery.gallery(tmp_path / "zero.png", conditions()[:1], ["a", "b", "c"], [0, 1])
    texts = [text.get_text() for text in drawn[0].texts]
    assert [texts.count(word) for word in ("no particle", "1 particle")] == [1, 1]


def test_pixels_land_where_they_should_in_their_colours(tmp_path: Path) -> None:
    """Row 0 is at the smallest y, so at the bottom; masked pixels are grey, zero is dark."""
    pattern = np.ones((1, 1, 16, 16), np.float32)
    pattern[0, 0, 0, 0], pattern[0, 0, 5, 9], pattern[0, 0, 8, 8] = 1e3, 0.0, np.nan
    gallery.gallery(tmp_path / "one.png", [Condition("clean", pattern, 0.007)], ["a"], [1])
    image = np.asarray(Image.open(tmp_path / "one.png").convert("RGB")).astype(int)
    zoom = gallery.WIDTH // 16

    def color(row: int, column: int) -> np.ndarray:
        y, x = gallery.TOP + (15 - row) * zoom + zoom // 4, gallery.LEFT + column * zoom + zoom // 4
        return image[y, x]

    # 224 levels of the map are kept, and Pillow finds the nearest to within some units.
    for (row, column), expected in (((0, 0), 1.0), ((12, 12), 0.0), ((5, 9), 0.0)):
        np.testing.assert_allclose(color(row, column), 255 * np.array(PATTERN_COLORS(expected)[:3]), atol=10)
    np.testing.assert_allclose(color(8, 8), 138, atol=10)
    np.testing.assert_array_equal(image[2, 2], 255)


@pytest.mark.parametrize("counted", [None, np.zeros((1, 1), int)])
def test_patterns_without_a_photon_can_be_drawn(tmp_path: Path, counted: np.ndarray | None) -> None:
    dark = Condition("dark", np.zeros((1, 1, 16, 16), np.float32), 0.007, counted)
    gallery.gallery(tmp_path / "dark.png", [dark], ["a"], [1])
    assert (tmp_path / "dark.png").stat().st_size > 1000


def test_radial_profiles_have_an_axis_of_resolution(drawn: list[Figure], tmp_path: Path) -> None:
    s = np.linspace(0.005, 0.43, 60)
    figures.radial_profiles(tmp_path / "radial.svg", s, {"a": np.exp(-s), "b": np.exp(-2 * s)})
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    top = axes.child_axes[0]
    for tick, label in zip(top.get_xticks(), top.get_xticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(1 / tick)


def test_photons_are_shares_of_each_multiplicity(drawn: list[Figure], tmp_path: Path) -> None:
    """Two and six shots with a hit between 10 and 1,000 photons; of the four without one, one is below a photon."""
    edges = np.array([0.0, 1, 10, 100, 1000, 10000])
    counts = {m: np.array(n) for m, n in {0: [1, 0, 3, 0, 0], 1: [0, 0, 1, 1, 0], 2: [0, 0, 0, 6, 0]}.items()}
    figures.photons_per_pattern(tmp_path / "photons.svg", edges, counts, expected=False)
    outlines = [patch.get_data() for axes in drawn[0].axes for patch in axes.patches if not patch.get_fill()]
    assert [list(data.values) for data in outlines] == [[75, 0], [50, 50], [0, 100]]
    assert all(list(data.edges) == [10, 100, 1000] for data in outlines)  # no farther than there are patterns
    texts = [[text.get_text() for text in axes.texts] for axes in drawn[0].axes]
    assert texts == [["no particle\n(25 % below 1)"], ["1 particle"], ["2 particles"]]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in drawn[0].axes}) == 1  # or they could not be compared
    last = drawn[0].axes[-1]
    assert (last.get_xscale(), last.get_xlabel()) == ("log", "photons in a pattern")


def test_patterns_without_photons_are_told_in_words(drawn: list[Figure], tmp_path: Path) -> None:
    figures.photons_per_pattern(tmp_path / "photons.svg", np.array([0.0, 1.0]), {1: np.array([7])}, expected=True)
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.texts] == ["1 particle\n(100 % below 1)"]
    assert not axes.patches


def test_an_axis_that_does_not_begin_at_nought_is_broken_and_says_so() -> None:
    for low, label, strokes in ((0, "right (%)", 0), (80, "right (%), from 80", 2)):
        axes = Figure().add_subplot()
        axes.set_xlabel("right (%)")
        axes.set_xlim(right=100)
        canvas.begin_above_zero(axes, "x", low)
        assert (axes.get_xlabel(), axes.get_xlim()[1]) == (label, 100)
        assert len(axes.lines) == strokes
        assert not strokes or axes.get_xlim()[0] == low


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_drawing_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    for name in ("first", "second"):
        figures.radial_profiles(tmp_path / f"{name}.{suffix}", np.linspace(0.1, 1, 9), {"a": np.ones(9)})
    assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()


def test_lines_are_told_apart_without_colour_too() -> None:
    styles = canvas.series_styles([f"model{number}" for number in range(18)])
    assert len({tuple(map(str, style.values())) for style in styles.values()}) == 18
    assert len({(str(style["linestyle"]), style["marker"]) for style in styles.values()}) == 3


def test_a_drawing_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pen"), canvas.drawing(tmp_path / "figure.svg", (1, 1)):
        raise RuntimeError("the pen broke")
    assert list(tmp_path.iterdir()) == []
