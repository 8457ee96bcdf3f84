"""Figures of what was learned, from arrays to files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from report.classification.photon_curve import Line, PhotonCurve
from report.classification.results import Result, Transfer
from report.classification.scores import LONE, TEST
from report.formatting import number, points, spoken
from report.plot.style import BLUE, INK, ORANGE, QUIET, drawing, series_styles

POSTER_MARK: dict[str, Any] = {
    "marker": "D",
    "linestyle": "none",
    "markersize": 4.5,
    "markerfacecolor": "none",
    "color": ORANGE,
}

BASELINE_SHAPES = (((0, (5, 2)), "D"), ((0, (3, 1, 1, 1)), "v"), ((0, (1, 1.5)), "x"), ("-", "+"))
"""Dashes and markers of the grey lines."""


def accuracies(path: Path, results: Sequence[Result]) -> None:
    """Joint accuracy, a panel for each dataset trained on, a row for each model: seeds and their mean."""
    columns = min(len(results), 4)
    lines = [results[start : start + columns] for start in range(0, len(results), columns)]
    rows = [_rows(line) for line in lines]
    left, gap, right, top, bottom, title = (
        0.3 + 0.075 * max(len(name) for names in rows for name in names),
        0.6,
        0.5,
        0.3,
        0.5,
        0.3,
    )
    heights = [0.2 * len(names) + 0.1 for names in rows]
    panel = min(3.4, (9.2 - left - right - gap * (columns - 1)) / columns)
    width = max(left + columns * (panel + gap) - gap + right, 4.5)
    height = top + sum(heights) + len(lines) * (title + bottom)
    with drawing(path, (width, height)) as figure:
        y = height - top
        for line, names, tall in zip(lines, rows, heights, strict=True):
            y -= title + tall
            for column, result in enumerate(line):
                x = left + column * (panel + gap)
                axes = figure.add_axes((x / width, y / height, panel / width, tall / height))
                _draw_accuracies(axes, result, names)
                if column:
                    axes.set_yticklabels([])
            y -= bottom
        handles = [
            Line2D([], [], color=BLUE, marker="o", markersize=3.5, linestyle="none", label="one training"),
            Patch(color=BLUE, alpha=0.22, linewidth=0, label="mean"),
            Line2D([], [], color=QUIET, marker="o", markersize=3.5, linestyle="none", label="baseline"),
        ]
        if any(result.in_the_poster(scores.name) for result in results for scores in result.models):
            handles.append(Line2D([], [], **POSTER_MARK, label="the poster"))
        figure.legend(handles=handles, loc="upper left", ncols=4, borderaxespad=0.2, fontsize=8)


def _rows(results: Sequence[Result]) -> dict[str, int]:
    """Row of every model of some results: networks, networks on features chosen by hand, other baselines."""
    ranks = {scores.name: 0 for result in results for scores in result.networks}
    for result in results:
        for scores in result.baselines:
            ranks.setdefault(scores.name, 1 if scores.name in result.trainings else 2)
    return {name: place for place, name in enumerate(sorted(ranks, key=lambda name: ranks[name]))}


def _draw_accuracies(axes: Axes, result: Result, rows: Mapping[str, int]) -> None:
    axes.set_title(result.dataset, loc="left", weight="bold", pad=4)
    best = result.best.name
    for scores in result.models:
        place, mean = rows[scores.name], 100 * scores.mean["test_accuracy"]
        color = BLUE if scores in result.networks else QUIET
        axes.plot([0, mean], [place, place], color=color, linewidth=5, alpha=0.22, solid_capstyle="butt")
        values = [100 * score.accuracies["test_accuracy"] for score in scores.by_seed]
        axes.plot(values, [place] * len(values), "o", color=color, markersize=3.5, clip_on=False)
        axes.annotate(
            *(f"{mean:.1f}", (1.04, place)),
            xycoords=("axes fraction", "data"),
            va="center",
            size=7.5,
            weight="bold" if scores.name == best else "normal",
        )
        if published := result.in_the_poster(scores.name):
            axes.plot([100 * published.test_accuracy], [place], clip_on=False, **POSTER_MARK)
    first_baseline = min(rows[baseline.name] for baseline in result.baselines)
    axes.axhline(first_baseline - 0.5, color=QUIET, linewidth=0.6)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(list(rows.values()), [spoken(name) for name in rows])
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.grid(axis="x", color="#e3e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("joint accuracy (%)")


def photon_curve(path: Path, curve: PhotonCurve) -> None:
    """Accuracy against photons per pulse, a panel for every question.

    Solid lines were trained at each number of photons anew, dashed ones once, on another dataset; grey are baselines;
    black is how often the structure of a single hit can be told at all. Bars reach over the seeds.
    """
    styles = series_styles(list(dict.fromkeys(line.model for line in curve.networks)))
    x = np.array(list(curve.photons_per_pulse.values()))
    questions = {question.accuracy: question.name for question in curve.questions}
    lines = len(questions) // 3 + 1  # the legend has a place of its own
    with drawing(path, (9.2, 3.05 * lines)) as figure:
        grid = figure.subplots(lines, 3, squeeze=False)
        top, bottom = 1 - 0.115 * 2 / lines, 0.09 * 2 / lines
        figure.subplots_adjust(left=0.07, right=0.985, top=top, bottom=bottom, wspace=0.2, hspace=0.62)
        for axes, (question, name) in zip(grid.flat, questions.items(), strict=False):
            for line in curve.networks:
                _draw_line(axes, curve, line, question, styles[line.model])
            for shape, line in zip(BASELINE_SHAPES, curve.baselines, strict=False):
                style = {"color": QUIET, "linestyle": shape[0], "marker": shape[1]}
                _draw_line(axes, curve, line, question, style)
            if question == LONE:
                _draw_limits(axes, curve)
            axes.set_title(name, loc="left", weight="bold", pad=28 if curve.photons_per_single_hit else 6)
            axes.set_xscale("log")
            axes.set_xlim(x.min() / 1.6, x.max() * 1.6)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_ylim(0, 100)
            axes.grid(color="#e3e7eb", linewidth=0.6)
            axes.set_xlabel("photons per pulse")
            _draw_photons_in_a_hit(axes, curve)
        for row in grid:
            row[0].set_ylabel("accuracy (%)")
        legend = grid.flat[len(questions)]
        for axes in grid.flat[len(questions) :]:
            axes.set_axis_off()
        handles, labels = grid.flat[len(questions) - 1].get_legend_handles_labels()
        legend.legend(handles, labels, loc="upper left", bbox_to_anchor=(-0.05, 1.25), fontsize=8, handlelength=3)


def _draw_line(axes: Axes, curve: PhotonCurve, line: Line, question: str, style: Mapping[str, Any]) -> None:
    label = spoken(line.model)
    if line.trained_on:
        label += f", trained on {line.trained_on}"
    drawn: dict[str, Any] = dict(style) | {"label": label, "markersize": 4, "linewidth": 1.3}
    if line.trained_on:
        drawn |= {"linestyle": (0, (2, 1.5)), "markerfacecolor": "white"}
    points_of = {level: scores for level, scores in line.points.items() if not math.isnan(scores.mean[question])}
    x = [curve.photons_per_pulse[level] for level in points_of]
    axes.plot(x, [100 * scores.mean[question] for scores in points_of.values()], **drawn)
    for at, scores in zip(x, points_of.values(), strict=True):
        low, high = scores.range(question)
        axes.plot([at, at], [100 * low, 100 * high], color=style["color"], linewidth=1)


def _draw_limits(axes: Axes, curve: PhotonCurve) -> None:
    for fluence, face, aside in (("known", "white", 1 / 1.08), ("unknown", "black", 1.08)):
        found = [
            (aside * curve.photons_per_pulse[level], 100 * limit.accuracy, 100 * limit.standard_error)
            for level, bayes_limits in curve.bayes_limits.items()
            for limit in bayes_limits
            if limit.fluence == fluence
        ]
        if found:
            x, y, error = zip(*found, strict=True)
            label = f"Bayes-optimal accuracy, fluence {fluence}"
            style: dict[str, Any] = {
                "marker": "o",
                "markersize": 4.5,
                "markerfacecolor": face,
                "linestyle": "none",
                "linewidth": 1,
            }
            axes.errorbar(x, y, error, color="black", label=label, zorder=5, clip_on=False, **style)


def _draw_photons_in_a_hit(axes: Axes, curve: PhotonCurve) -> None:
    """Mean photons in a pattern of one particle along the top, at the datasets."""
    if not curve.photons_per_single_hit:
        return
    top = axes.secondary_xaxis("top")
    at = [curve.photons_per_pulse[level] for level in curve.photons_per_single_hit]
    top.set_xticks(at, [number(photons, 2) for photons in curve.photons_per_single_hit.values()], size=7.5)
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xlabel(f"photons in {curve.in_one}", size=7.5, labelpad=2)
    top.spines["top"].set_visible(True)


def transfers(path: Path, home: Result, asked: Sequence[Transfer]) -> None:
    """Joint accuracy of every model (column) on other datasets (rows), shaded by the difference to its own."""
    names = [scores.name for scores in home.models if scores.name in {j.name for j in asked[0].models}]
    n_networks = sum(scores.name in names for scores in home.networks)
    there = [{scores.name: scores.mean[TEST] for scores in transfer.models} for transfer in asked]
    values = 100 * np.array([[home.of(name).mean[TEST] for name in names], *([row[n] for n in names] for row in there)])
    difference = values - values[0]
    labels = [f"{home.dataset} (its own)", *(transfer.dataset for transfer in asked)]
    left, cell_x, cell_y, top = 0.3 + 0.075 * max(map(len, labels)), 0.72, 0.34, 0.3 + 0.055 * max(map(len, names))
    across, down = cell_x * len(names), cell_y * len(labels)
    width, height = left + across + 0.95, top + down + 0.1
    with drawing(path, (width, height)) as figure:
        axes = figure.add_axes((left / width, 0.1 / height, across / width, down / height))
        bound = max(5, float(np.abs(difference).max()))
        image = axes.imshow(difference, cmap="PuOr", norm=Normalize(-bound, bound), aspect="auto")
        for (row, column), change in np.ndenumerate(difference):
            text = f"{values[row, column]:.0f}" + (f"  ({points(change / 100, 0)})" if row else "")
            brightness = np.dot(image.cmap(image.norm(change))[:3], (0.299, 0.587, 0.114))
            axes.text(column, row, text, ha="center", va="center", size=8, color=INK if brightness > 0.55 else "white")
        axes.set_xticks(
            range(len(names)), [spoken(name) for name in names], rotation=45, ha="left", rotation_mode="anchor"
        )
        axes.set_yticks(range(len(labels)), labels)
        axes.xaxis.tick_top()
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(labels) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.axhline(0.5, color=INK, linewidth=1)
        axes.axvline(n_networks - 0.5, color=INK, linewidth=1)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        bar = figure.add_axes(((left + across + 0.15) / width, 0.1 / height, 0.12 / width, down / height))
        figure.colorbar(image, cax=bar).set_label("points")
