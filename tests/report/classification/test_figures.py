"""Figures of what was learned hold what they should."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from report.classification.figures import accuracy
from report.classification.figures import confusion as confusion_figures
from report.classification.figures.confusion import class_confusion, confusion
from report.classification.photon_curve import Line, PhotonCurve
from report.classification.results import BayesLimit
from report.describe.published import TABLE_1
from report.describe.questions import JOINT, asked_questions
from report.plot.style import BLUE, QUIET
from support.drawing import watch_drawing
from support.scores import TARGETS, result, scored, transfer


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure, after it was drawn."""
    return watch_drawing(monkeypatch, accuracy, confusion_figures)


def test_confusion_writes_per_cent_of_each_row_and_counts(drawn: list[Figure], tmp_path: Path) -> None:
    matrix = np.array([[3, 1, 0], [0, 1000, 2], [0, 0, 0]])
    confusion(tmp_path / "confusion.svg", matrix, ["a", "b", "c"], "structure")
    axes = drawn[0].axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "75", (1, 0): "25", (1, 1): ">99", (2, 1): "<1"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (4)", "b (1,002)", "c (0)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a (3)", "b (1,001)", "c (2)"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true structure", "answered structure")


def test_class_confusion_is_in_per_cent_and_grouped_by_structure(drawn: list[Figure], tmp_path: Path) -> None:
    matrix = np.array([[4, 0, 0, 0, 0], [1, 3, 0, 0, 0], [0, 0, 2, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 5]])
    classes = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("none", "0")]
    class_confusion(tmp_path / "both.svg", matrix, classes, ("structure", "number"))
    axes = drawn[0].axes[0]
    expected = [[100, 0, 0, 0, 0], [25, 75, 0, 0, 0], [0, 0, 50, 25, 25], [0, 0, 0, 0, 0], [0, 0, 0, 0, 100]]
    np.testing.assert_allclose(axes.get_images()[0].get_array(), expected)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "none"]
    assert axes.get_ylabel() == "true structure, number"
    np.testing.assert_allclose(axes.get_yticks(), [0.5, 2.5, 4])  # in the middle of their rows
    assert [label.get_text() for label in axes.get_yticklabels(minor=True)] == ["1", "2", "1", "2", "0"]
    assert [line.get_xdata()[0] for line in axes.lines[1::2]] == [1.5, 3.5]


def test_accuracies_have_a_dot_a_seed_and_the_posters_figure(drawn: list[Figure], tmp_path: Path) -> None:
    networks = [scored("late10", 0.8, 0.9), scored("ours", 0.95)]
    baselines = [scored("total_intensity", 0.3), scored("majority", 0.02)]
    clean = result(networks, baselines, "clean", published=TABLE_1)
    noisy = result(networks[1:], [scored("azimuthal", 0.5), *baselines], "noisy", trainings={"azimuthal": None})
    accuracy.accuracies(tmp_path / "accuracies.svg", [clean, noisy])
    axes = drawn[0].axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["late10", "ours", "azimuthal", "total intensity", "majority"]
    dots = {(x, y) for line in axes.lines if line.get_marker() == "o" for x, y in line.get_xydata()}
    assert dots == {(80, 0), (90, 0), (95, 1), (30, 3), (2, 4)}
    assert [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "D"] == [(90.4, 0)]
    assert [text.get_text() for text in axes.texts] == ["85.0", "95.0", "30.0", "2.0"]
    colors = {line.get_color() for line in drawn[0].axes[1].lines if line.get_marker() == "o"}
    assert colors == {BLUE, QUIET}


@pytest.mark.parametrize(("name", "has_one"), [("late10", True), ("ours", False)])
def test_the_poster_is_in_the_legend_where_it_has_a_figure(
    drawn: list[Figure], tmp_path: Path, name: str, has_one: bool
) -> None:
    clean = result([scored(name, 0.8)], [scored("majority", 0.02)], "clean", published=TABLE_1)
    accuracy.accuracies(tmp_path / "accuracies.svg", [clean])
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert ("the poster" in labels) == has_one


def curve() -> PhotonCurve:
    """Two levels; `a` trained at each, `b` elsewhere; a baseline and a limit at one of them."""
    return PhotonCurve(
        photons_per_pulse={"dim": 1e11, "bright": 1e12},
        photons_per_single_hit={"dim": 30.0, "bright": 300.0},
        networks=[
            Line("a", None, {"dim": scored("a", 0.2, 0.4, lone=0.3), "bright": scored("a", 0.8, lone=0.7)}),
            Line("b", "all", {"dim": scored("b", 0.1, lone=0.2)}),
        ],
        baselines=[Line("majority", None, {"dim": scored("majority", 0.02), "bright": scored("majority", 0.02)})],
        bayes_limits={"dim": [BayesLimit("known", 0.5, 0.03, 100, 2500, None)]},
        questions=(JOINT, *asked_questions(TARGETS)),
    )


def test_photon_curve_has_every_model_and_the_limit_in_its_panel(drawn: list[Figure], tmp_path: Path) -> None:
    accuracy.photon_curve(tmp_path / "curve.svg", curve())
    panels = {axes.get_title(loc="left"): axes for axes in drawn[0].axes if axes.get_title(loc="left")}
    assert list(panels) == [
        *("joint accuracy", "number of particles", "structure", "single or multiple hit", "structure of a single hit"),
    ]
    for name, axes in panels.items():
        assert axes.get_xscale() == "log"
        lines = {line.get_label(): line for line in axes.lines if not str(line.get_label()).startswith("_")}
        expected = {"joint accuracy": [30, 80], "structure of a single hit": [30, 70]}.get(name, [30, 80])
        np.testing.assert_allclose(lines["a"].get_ydata(), expected)
        np.testing.assert_allclose(lines["a"].get_xdata(), [1e11, 1e12])
        assert lines["b, trained on all"].get_linestyle() == "--"  # as matplotlib calls any dashes
        assert lines["majority"].get_color() == QUIET
        assert len(axes.containers) == (name == "structure of a single hit")
    top = panels["joint accuracy"].child_axes[0]
    assert dict(zip(top.get_xticks(), [t.get_text() for t in top.get_xticklabels()], strict=True)) == {
        1e11: "30",
        1e12: "300",
    }


def test_transfers_show_accuracy_and_the_difference_to_the_own_dataset(drawn: list[Figure], tmp_path: Path) -> None:
    home = result(
        [scored("a", 0.8), scored("b", 0.6, 0.8)],
        [scored("azimuthal", 0.5), scored("majority", 0.1)],
    )
    # In another order than at home, and without the majority, of which nothing is asked.
    asked = [transfer("shifted", [scored("azimuthal", 0.5), scored("a", 0.35), scored("b", 0.75)])]
    accuracy.transfers(tmp_path / "transfers.svg", home, asked)
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "azimuthal"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["noisy (its own)", "shifted"]
    np.testing.assert_allclose(axes.get_images()[0].get_array(), [[0, 0, 0], [-45, 5, 0]], atol=1e-9)
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    own, there = ["80", "70", "50"], ["35  (−45)", "75  (+5)", "50  (0)"]
    assert cells == {(x, y): text for y, row in enumerate((own, there)) for x, text in enumerate(row)}
