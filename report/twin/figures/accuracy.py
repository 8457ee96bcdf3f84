"""Figures of twin networks, from arrays and tables to files."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from report.formatting import spoken
from report.plot.style import BLUE, INK, QUIET, begin_above_zero, drawing, series_styles

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

GRID: dict[str, Any] = {"color": "#e3e7eb", "linewidth": 0.6}

PALE = "#c3cad1"
"""Of what stands back: thin lines, patterns whose structure has no colour of its own."""


def grid(path: Path, held_out: pd.DataFrame, triplets: pd.DataFrame, collapsed: pd.DataFrame) -> None:
    """The poster's figure 9: accuracy by embedding dimension (rows) and margin (columns), judged in two ways.

    Each way has a scale of its own: what is even in one would be a single shade on a scale for both.

    Parameters
    ----------
    held_out :  fraction right, single or multiple, of held-out patterns.
    triplets :  fraction of training triplets whose positive is nearer: the poster's own measure.
    collapsed : trainings that collapsed, marked where there are any.
    """
    panels = (
        ("held-out patterns, single or multiple", held_out),
        ("the poster's measure: training triplets", triplets),
    )
    rows, columns = held_out.shape
    cell, tall = min(0.75, 3.2 / columns), max(0.34, 1.3 / rows)
    left, gap, bar, top, bottom = 0.6, 0.95, 0.75, 0.35, 0.5
    panel = max(cell * columns, 2.6)
    width, height = left + 2 * panel + gap + bar, top + rows * tall + bottom
    with drawing(path, (width, height)) as figure:
        for place, (title, values) in enumerate(panels):
            x = left + place * (panel + gap)
            axes = figure.add_axes((x / width, bottom / height, panel / width, rows * tall / height))
            per_cent = 100 * values.to_numpy()
            low = np.floor(per_cent.min())
            norm = Normalize(low, max(np.ceil(per_cent.max()), low + 1))
            image = axes.imshow(per_cent, cmap="Blues", norm=norm, aspect="auto")
            for (row, column), value in np.ndenumerate(per_cent):
                mark = " ×" if collapsed.to_numpy()[row, column] else ""
                color = "white" if norm(value) > 0.62 else INK
                axes.text(column, row, f"{value:.1f}{mark}", ha="center", va="center", color=color, size=8)
            axes.set_title(title, loc="left", weight="bold")
            axes.set_xticks(range(columns), [f"{margin:g}" for margin in values.columns])
            axes.set_yticks(range(rows), [str(dim) for dim in values.index])
            axes.set_xlabel("margin")
            axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
            axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
            axes.grid(which="minor", color="white", linewidth=1.5)
            axes.tick_params(which="both", length=0)
            axes.spines[:].set_visible(False)
            if place == 0:
                axes.set_ylabel("embedding dimension")
            beside = (x + panel + 0.12) / width
            side = figure.add_axes((beside, bottom / height, 0.12 / width, rows * tall / height))
            figure.colorbar(image, cax=side).ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            side.set_title("%", size=8, pad=3)
        if collapsed.to_numpy().any():
            figure.text(1 - 0.1 / width, 0.07 / height, "× collapsed", size=8, ha="right", va="bottom")


def roc(path: Path, curves: Mapping[str, tuple[Curve, float]], controls: Collection[str]) -> None:
    """Single hits kept against multiple hits kept, at every threshold, a line for each network and control.

    Parameters
    ----------
    curves :   name -> fractions of the multiple and of the single hits kept, ascending, and the area under the curve.
    controls : names that are drawn in grey.
    """
    styles = learner_styles(list(curves), controls)
    with drawing(path, (8, 4)) as figure:
        axes = figure.add_axes((0.085, 0.125, 0.42, 0.84))
        axes.plot([0, 100], [0, 100], color=QUIET, linestyle=":", linewidth=1, label="by chance (0.500)")
        for name, ((false, true), area) in curves.items():
            style = {key: styles[name][key] for key in ("color", "linestyle")}
            axes.plot(100 * false, 100 * true, **style, label=f"{spoken(name)} ({area:.3f})")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.set_aspect("equal")
        axes.grid(**GRID)
        axes.set_xlabel("multiple hits that are kept (%)")
        axes.set_ylabel("single hits that are kept (%)")
        handles, labels = axes.get_legend_handles_labels()
        handles, labels = [*handles[1:], handles[0]], [*labels[1:], labels[0]]
        title = "area under the curve in brackets,\nof all structures together"
        axes.legend(handles, labels, loc="center left", bbox_to_anchor=(1.05, 0.5), handlelength=3, title=title)


def learner_styles(names: Sequence[str], controls: Collection[str]) -> dict[str, dict[str, Any]]:
    """Networks solid and filled, in the colours of `series_styles`; controls grey, told apart by dashes and markers."""
    styles = series_styles([name for name in names if name not in controls])
    shapes = (((0, (5, 2)), "D"), ((0, (1, 1.5)), "v"), ((0, (3, 1, 1, 1)), "s"), ("-", "X"))
    for number, name in enumerate(name for name in names if name in controls):
        dashes, marker = shapes[number % len(shapes)]
        color = ("#6b7280", "#9aa2ad", "#3f454d")[number % 3]
        styles[name] = {"color": color, "linestyle": dashes, "marker": marker}
    return styles


def few_shot(path: Path, curves: Mapping[str, pd.DataFrame], without: float, majority: float) -> None:
    """Accuracy against labelled patterns of a structure, a line for each classifier.

    Parameters
    ----------
    curves :   name -> rows of labels, accuracy and deviation over structures (the band).
    without :  accuracy without labels.
    majority : of always giving the most frequent answer.
    """
    styles = series_styles(list(curves))
    lowest = min(float((rows["accuracy"] - rows["deviation"]).min()) for rows in curves.values())
    start = axis_start(100 * min(lowest, without))
    with drawing(path, (8, 3.4)) as figure:
        axes = figure.add_axes((0.085, 0.145, 0.55, 0.81))
        for name, rows in curves.items():
            labels, right = rows["labels"].to_numpy(), 100 * rows["accuracy"].to_numpy()
            band = 100 * rows["deviation"].to_numpy()
            color = styles[name]["color"]
            axes.fill_between(labels, right - band, np.minimum(right + band, 100), color=color, alpha=0.14, linewidth=0)
            axes.plot(labels, right, color=color, marker=styles[name]["marker"], markersize=4, label=name)
        axes.axhline(100 * without, color=INK, linestyle=(0, (5, 2)), linewidth=1, label="without labels")
        most_frequent = "always the more frequent answer"
        if 100 * majority < start:
            most_frequent += f"\n({100 * majority:.1f} %, below this axis)"
        axes.axhline(100 * majority, color=QUIET, linestyle=":", linewidth=1, label=most_frequent)
        axes.plot([], [], color=QUIET, alpha=0.25, linewidth=7, label="± deviation over structures")
        every = sorted({int(label) for rows in curves.values() for label in rows["labels"]})
        axes.set_xscale("log")
        axes.set_xticks(every, [str(label) for label in every])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(every[0] / 1.15, every[-1] * 1.15)
        axes.set_ylim(top=100)
        axes.grid(**GRID)
        axes.set_xlabel("labelled patterns of the structure, of single and of multiple hits each")
        axes.set_ylabel("right (%)")
        begin_above_zero(axes, "y", start)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), handlelength=2.5, labelspacing=0.8)


def conditions(path: Path, table: pd.DataFrame, controls: Collection[str]) -> None:
    """Accuracy on unseen structures, condition by condition: a dot for each seed, the majority as a grey tick.

    Parameters
    ----------
    table :    columns dataset, learner, seed, accuracy, majority_accuracy; conditions and learners in order.
    controls : learners that are drawn in grey, and hollow.
    """
    names, learners = list(dict.fromkeys(table["dataset"])), list(dict.fromkeys(table["learner"]))
    styles = learner_styles(learners, controls)
    lane = 0.13
    group = lane * (len(learners) + 1.2)
    left = 0.35 + 0.075 * max(map(len, names))
    width, top, bottom = 8.0, 0.1, 0.5
    right = 0.5 + 0.075 * max(map(len, map(spoken, learners)), default=0)
    right = max(right, 1.4)
    height = max(top + bottom + group * len(names), top + bottom + 0.21 * (len(learners) + 2))
    with drawing(path, (width, height)) as figure:
        box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
        axes = figure.add_axes(box)
        half = len(learners) * lane / group / 2
        for place, condition in enumerate(names):
            if place:
                axes.axhline(place - 0.5, color=PALE, linewidth=0.6)
            rows = table[table["dataset"] == condition]
            for majority in rows["majority_accuracy"].round(4).unique():
                axes.plot([100 * majority] * 2, [place - half, place + half], color=QUIET, linewidth=2, alpha=0.6)
            for number, learner in enumerate(learners):
                mine = 100 * rows.loc[rows["learner"] == learner, "accuracy"].to_numpy()
                y = place - half + (number + 0.5) * lane / group
                style = _dots(styles[learner], learner in controls)
                axes.plot(mine, np.full(len(mine), y), clip_on=False, zorder=3, **style)
        lowest = 100 * float(table[["accuracy", "majority_accuracy"]].min(axis=None))
        _line_by_line(axes, names, lowest)
        handles = [
            Line2D([], [], **_dots(styles[learner], learner in controls), label=spoken(learner)) for learner in learners
        ]
        tick: dict[str, Any] = {"marker": "|", "markersize": 10, "markeredgewidth": 2, "linestyle": "none"}
        handles.append(Line2D([], [], color=QUIET, alpha=0.6, label="majority", **tick))
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), handletextpad=0.3, borderaxespad=0)


def _line_by_line(axes: Axes, labels: Sequence[str], lowest: float) -> None:
    """Accuracies [%], none below `lowest`, along x, a line for each label, from the top."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlim(right=100)
    axes.grid(axis="x", **GRID)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("right (%)")
    begin_above_zero(axes, "x", axis_start(lowest))


def axis_start(lowest: float) -> float:
    """Where an axis of per cent begins that holds this: at a ten, five or more below; at 0 where it is low."""
    return max(0.0, 10 * float(np.floor(round(lowest - 5, 6) / 10)))


def _dots(style: Mapping[str, Any], hollow: bool) -> dict[str, Any]:
    face = "white" if hollow else style["color"]
    marks = {"markersize": 4.5, "linestyle": "none", "markerfacecolor": face, "markeredgewidth": 1}
    return {"color": style["color"], "marker": style["marker"], **marks}


def per_structure(
    path: Path,
    families: Mapping[str, Sequence[str]],
    main: tuple[str, pd.DataFrame],
    control: tuple[str, pd.DataFrame] | None = None,
) -> None:
    """Accuracy on each unseen structure, family by family: a dot for each seed, and a control.

    Parameters
    ----------
    families :      name -> structures, in the order in which they are drawn.
    main, control : name, and rows of structure and accuracy, a row for each seed.
    """
    order = [(family, structure) for family, members in families.items() for structure in members]
    labels = [structure for _, structure in order]
    left, right = 0.3 + 0.073 * max(map(len, labels)), 0.35 + 0.075 * max(map(len, families))
    top, bottom = 0.35, 0.5
    width, height = 8.0, top + bottom + 0.19 * max(len(order), 3)
    with drawing(path, (width, height)) as figure:
        box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
        axes = figure.add_axes(box)
        learners = [main] if control is None else [main, control]
        for number, (name, rows) in enumerate(learners):
            style = _dots({"color": (BLUE, QUIET)[number], "marker": ("o", "D")[number]}, bool(number))
            places = rows["structure"].map({structure: place for place, structure in enumerate(labels)})
            shown = places.notna().to_numpy()
            accuracy = 100 * rows["accuracy"].to_numpy()[shown]
            axes.plot(accuracy, places[shown], clip_on=False, zorder=4 - number, label=spoken(name), **style)
        start = 0
        for family, members in families.items():
            if start:
                axes.axhline(start - 0.5, color=PALE, linewidth=0.6)
            middle = start + (len(members) - 1) / 2
            axes.annotate(family, (1.02, middle), xycoords=("axes fraction", "data"), va="center", weight="bold")
            start += len(members)
        lowest = 100 * min(float(rows["accuracy"].min()) for _, rows in learners)
        _line_by_line(axes, labels, lowest)
        figure.legend(loc="upper left", bbox_to_anchor=(left / width, 1), ncols=2, borderaxespad=0.2, handletextpad=0.2)
