"""Figures of trainings hold what their histories say."""

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report.classification.figures import training as figures_training
from support.drawing import watch_drawing

MAJORITY = {"test_accuracy": 0.05, "hit_multiplicity_accuracy": 0.25, "structure_accuracy": 0.2}
CALLED = {"hit_multiplicity": "number of particles", "structure": "structure"}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure, after it was drawn."""
    return watch_drawing(monkeypatch, figures_training)


def history() -> pd.DataFrame:
    """Two epochs."""
    table = pd.DataFrame({"epoch": [1, 2], "train_loss": [3.0, 1.0], "validation_loss": [2.0, 1.5]})
    names = ["validation_accuracy", "validation_hit_multiplicity_accuracy", "validation_structure_accuracy"]
    table[names] = [[0.1, 0.2, 0.3], [0.2, 0.4, 0.6]]
    return table


def curves(axes: Axes, *, dotted: bool) -> list[list[float]]:
    lines = [line for line in axes.lines if len(line.get_ydata()) and (line.get_linestyle() == ":") == dotted]
    return [list(line.get_ydata()) for line in lines]


def test_every_model_has_a_panel_of_accuracy_and_one_of_loss(drawn: list[Figure], tmp_path: Path) -> None:
    models = {f"model{number}": {0: history(), 1: history()} for number in range(5)}
    figures_training.training_curves(tmp_path / "training.svg", models, MAJORITY, CALLED)
    accuracies, losses = drawn[0].axes[::2], drawn[0].axes[1::2]
    assert [axes.get_title(loc="left") for axes in accuracies] == list(models)
    for axes in accuracies:
        assert [line[0] for line in curves(axes, dotted=True)] == [25, 20, 5]
        assert curves(axes, dotted=False) == [*([[20, 40]] * 2), *([[30, 60]] * 2), *([[10, 20]] * 2)]
    for axes in losses:
        assert curves(axes, dotted=False) == [[3, 1], [2, 1.5]] * 2
        assert axes.get_ylim()[0] == 0
        assert axes.get_xlabel() == "epoch"
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == [
        *("number of particles", "structure", "both", "always the most frequent answer"),
        *("loss, training patterns", "loss, validation patterns"),
    ]


def test_any_targets_have_their_lines(drawn: list[Figure], tmp_path: Path) -> None:
    for targets, joint in ((["kind"], "joint"), (["hit", "hit_multiplicity", "ice_ring"], "all")):
        columns = {f"validation_{name}_accuracy": [0.1 * n, 0.2 * n] for n, name in enumerate(targets, start=1)}
        rows = history()[["epoch", "train_loss", "validation_loss", "validation_accuracy"]].assign(**columns)
        majority = {"test_accuracy": 0.05, **{f"{name}_accuracy": 0.5 for name in targets}}
        figures_training.training_curves(tmp_path / "training.svg", {"model": {0: rows}}, majority, CALLED)
        lines = curves(drawn[-1].axes[0], dotted=False)
        assert lines == [pytest.approx([10 * n, 20 * n]) for n in range(1, len(targets) + 1)] + [[10, 20]]
        legend = [text.get_text() for text in drawn[-1].legends[0].get_texts()]
        names = {"hit_multiplicity": "number of particles", "ice_ring": "ice ring"}
        assert legend[: len(targets) + 1] == [*(names.get(name, name) for name in targets), joint]


def test_panels_do_not_overlap(drawn: list[Figure], tmp_path: Path) -> None:
    for n in (1, 2, 4, 9):
        figures_training.training_curves(tmp_path / f"{n}.svg", {f"m{i}": {0: history()} for i in range(n)}, MAJORITY)
        boxes = [axes.get_position() for axes in drawn[-1].axes]
        assert all(0 < box.x0 < box.x1 <= 1 and 0 < box.y0 < box.y1 < 1 for box in boxes)
        assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
