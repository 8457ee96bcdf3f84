"""Figures of how networks were trained, from histories to files."""

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from report.plot.style import BLUE, GREEN, INK, ORANGE, QUIET, SERIES, drawing

LOSS_CURVES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("train_loss", "loss, training patterns", {"color": QUIET, "linestyle": (0, (3, 1.5))}),
    ("validation_loss", "loss, validation patterns", {"color": INK, "linestyle": "-"}),
)
"""Column of history.csv, its name and its line."""

LEGEND_COLUMNS = 3


def training_curves(
    path: Path,
    histories: Mapping[str, Mapping[int, pd.DataFrame]],
    majority: Mapping[str, float],
    called: Mapping[str, str] | None = None,
) -> None:
    """Accuracy and loss by epoch: two panels for every model, in them a line for every seed and question, or split.

    Parameters
    ----------
    histories : model -> seed -> the rows of its history.csv.
    majority :  accuracy of the most frequent answer (dotted), by question: `<target>_accuracy`, and `test_accuracy`.
    called :    target -> its name for a reader, where that is another one.
    """
    columns = min(len(histories), 4)
    lines = math.ceil(len(histories) / columns)
    left, panel, gap = 0.75, 8 / max(columns, 2) - 0.5, 0.5  # inches
    in_legend = math.ceil((len(majority) + 1 + len(LOSS_CURVES)) / LEGEND_COLUMNS)
    top, tall, between, low, below = 0.55 + 0.18 * max(0, in_legend - 2), 1.25, 0.12, 0.75, 0.75
    step = tall + between + low + below
    width, height = max(left + columns * (panel + gap), 6.4), top + lines * step - 0.25
    with drawing(path, (width, height)) as figure:
        for number, (model, seeds) in enumerate(histories.items()):
            x = left + number % columns * (panel + gap)
            y = height - top - number // columns * step - tall
            accuracy = figure.add_axes((x / width, y / height, panel / width, tall / height))
            box = (x / width, (y - between - low) / height, panel / width, low / height)
            loss = figure.add_axes(box, sharex=accuracy)
            _draw_accuracy_of_epochs(accuracy, seeds, majority, called or {}, labelled=number == 0)
            _draw_loss_of_epochs(loss, seeds, labelled=number == 0)
            accuracy.set_title(model, loc="left", pad=3)
            if number % columns:
                accuracy.set_yticklabels([])
            else:
                accuracy.set_ylabel("validation\naccuracy (%)")
                loss.set_ylabel("loss")
            loss.set_xlabel("epoch", labelpad=1)
        figure.legend(
            loc="upper left", bbox_to_anchor=(0.45 / width, 1), ncols=LEGEND_COLUMNS, fontsize=8, borderaxespad=0.2
        )


def accuracy_curves(majority: Mapping[str, float], called: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """Column of history.csv, its name, its colour, and the question that it answers: each target, then all together."""
    targets = [question.removesuffix("_accuracy") for question in majority if question != "test_accuracy"]
    together = {1: "joint", 2: "both"}.get(len(targets), "all")
    colors = itertools.cycle((GREEN, ORANGE, *SERIES[3:]))
    single = [
        (f"validation_{name}_accuracy", called.get(name, name.replace("_", " ")), color, f"{name}_accuracy")
        for name, color in zip(targets, colors, strict=False)
    ]
    return [*single, ("validation_accuracy", together, BLUE, "test_accuracy")]


def _draw_accuracy_of_epochs(
    axes: Axes,
    seeds: Mapping[int, pd.DataFrame],
    majority: Mapping[str, float],
    called: Mapping[str, str],
    labelled: bool,
) -> None:
    for column, name, color, question in accuracy_curves(majority, called):
        for order, curves in enumerate(seeds.values()):
            label = name if labelled and order == 0 else "_"  # an underscore keeps it out of the legend
            axes.plot(curves["epoch"], 100 * curves[column], label=label, color=color, **_of_epochs(curves))
        axes.axhline(100 * majority[question], color=color, linestyle=":", linewidth=0.9)
    if labelled:
        axes.plot([], [], color=QUIET, linestyle=":", linewidth=0.9, label="always the most frequent answer")
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(axis="y", color="#e3e7eb", linewidth=0.6)


def _draw_loss_of_epochs(axes: Axes, seeds: Mapping[int, pd.DataFrame], labelled: bool) -> None:
    for order, curves in enumerate(seeds.values()):
        for column, name, style in LOSS_CURVES:
            label = name if labelled and order == 0 else "_"
            axes.plot(curves["epoch"], curves[column], label=label, **_of_epochs(curves) | style)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.grid(axis="y", color="#e3e7eb", linewidth=0.6)


def _of_epochs(curves: pd.DataFrame) -> dict[str, Any]:
    """A line, and dots where there are too few epochs for one to be seen."""
    return {"linewidth": 1.1, "marker": "o" if len(curves) < 6 else "", "markersize": 2.5}
