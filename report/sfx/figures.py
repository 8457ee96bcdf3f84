"""Figures of the page about hit finding, from tables and arrays of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import NDArray

from report.plot.style import BLUE, ORANGE, QUIET, drawing, series_styles

Arrays = Mapping[str, NDArray]
SHOWN_PIXELS = 480
"""Along an edge of a frame on the page; larger ones are thinned by maxima, which keeps spots."""


def _thinned(image: NDArray) -> tuple[NDArray, int]:
    step = max(1, -(-max(image.shape) // SHOWN_PIXELS))
    ny, nx = (size // step * step for size in image.shape)
    return image[:ny, :nx].reshape(ny // step, step, nx // step, step).max((1, 3)), step


def _frame(axes: Axes, image: NDArray, spots: NDArray, title: str) -> None:
    """A frame between the hundredth and all but the last thousandth of its values, spots circled."""
    small, step = _thinned(image)
    low, high = np.percentile(small, (1, 99.8))
    axes.imshow(small, cmap="Greys", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    if len(spots):
        axes.scatter(spots[:, 0] / step, spots[:, 1] / step, 28, facecolors="none", edgecolors=ORANGE, linewidths=0.7)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, loc="left", fontsize=8)


def frames(path: Path, shown: Arrays, names: Sequence[str]) -> None:
    """One frame of each class of each dataset."""
    with drawing(path, (8.2, 2.85 * len(names)), palette=None) as figure:
        grid = figure.subplots(len(names), 3, squeeze=False)
        for row, name in zip(grid, names, strict=True):
            for axes, kind in zip(row, ("miss", "maybe", "hit"), strict=True):
                key = f"class_{name}_{kind}"
                if key not in shown:
                    axes.axis("off")
                    continue
                spots = shown[f"{key}_spots"]
                _frame(axes, shown[key], spots, f"{name}, {kind}: {len(spots)} spots")
        figure.tight_layout()


def contrast(path: Path, shown: Arrays) -> None:
    """One hit by every pre-processing, and its row vector."""
    names = [key.removeprefix("contrast_") for key in shown if key.startswith("contrast_")]
    with drawing(path, (8.2, 4.6), palette=None) as figure:
        if not names:
            _nothing(figure.subplots(), "no hit was simulated")
            return
        grid = figure.subplots(2, len(names), squeeze=False, height_ratios=(2.4, 1))
        for (above, below), name in zip(grid.T, names, strict=True):
            image = shown[f"contrast_{name}"]
            low, high = np.percentile(image, (1, 99.8))
            above.imshow(_thinned(image)[0], cmap="Greys", vmin=low, vmax=high, interpolation="nearest")
            above.set(xticks=[], yticks=[])
            above.set_title(name, loc="left")
            below.plot(shown[f"rows_{name}"], color=BLUE, linewidth=0.6)
            below.set(xlabel="row", ylabel="max − min" if name == names[0] else "", ylim=(0, None))
        figure.tight_layout()


def recall(path: Path, table: pd.DataFrame) -> None:
    """Recall and precision of each system: on its own dataset, and on others."""
    rows = table.drop_duplicates(["system", "labels", "order", "seed", "trained_on", "tested_on"])
    rows = rows[rows["order"] == rows["order"].iloc[0]]
    rows = rows.assign(own=rows["trained_on"] == rows["tested_on"], name=rows["system"] + ", " + rows["labels"])
    names = list(dict.fromkeys(rows["name"]))[::-1]
    with drawing(path, (8.2, 0.6 + 0.26 * len(names))) as figure:
        grid = figure.subplots(1, 2, sharey=True)
        for axes, measure in zip(grid, ("recall", "precision"), strict=True):
            for is_own, colour, shift in ((True, BLUE, 0.12), (False, ORANGE, -0.12)):
                some = rows[rows["own"] == is_own].groupby("name")[measure]
                mean, deviation = some.mean(), some.std().fillna(0)
                at = np.array([names.index(name) for name in mean.index])
                label = "tested on its own dataset" if is_own else "tested on another dataset"
                style = {"color": colour, "fmt": "o", "markersize": 4, "linewidth": 1, "label": label}
                axes.errorbar(100 * mean, at + shift, xerr=100 * deviation, **style)
            axes.set(xlabel=f"{measure} [%]", xlim=(0, 101), yticks=range(len(names)))
            axes.grid(axis="x", color=QUIET, alpha=0.2)
        grid[0].set_yticklabels(names)
        figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
        figure.legend(*grid[0].get_legend_handles_labels(), loc="upper center", ncols=2, fontsize=8)


def embedding(path: Path, shown: Arrays, overlaps: pd.DataFrame) -> None:
    """Maps of source's and target's features, source-only and adversarial."""
    with drawing(path, (8.2, 3.9)) as figure:
        if "map_adversarial" not in shown:
            _nothing(figure.subplots(), "no adversarial system in this run")
            return
        first = overlaps.iloc[:2]
        for axes, key, (_, row) in zip(
            figure.subplots(1, 2), ("source_only", "adversarial"), first.iterrows(), strict=True
        ):
            points, is_target = shown[f"map_{key}"], shown[f"map_{key}_target"]
            is_hit = shown[f"map_{key}_label"] > 0
            for domain, colour, name in ((False, BLUE, row["trained_on"]), (True, ORANGE, row["tested_on"])):
                for hit, marker in ((False, "o"), (True, "^")):
                    one = points[(is_target == domain) & (is_hit == hit)]
                    fill = {"facecolors": colour} if hit else {"facecolors": "none"}
                    label = f"{name}, {'hit or maybe' if hit else 'miss'}"
                    axes.scatter(
                        one[:, 0], one[:, 1], 10, marker=marker, edgecolors=colour, linewidths=0.6, label=label, **fill
                    )
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{row['system']}: overlap {row['overlap']:.2f}", loc="left")
        figure.axes[0].legend(fontsize=7, loc="best", frameon=True)
        figure.tight_layout()


def dann(path: Path, training: pd.DataFrame) -> None:
    """Losses and accuracies of the adversarial trainings of the first pair, a line a seed."""
    with drawing(path, (8.2, 3.0)) as figure:
        if training.empty:
            _nothing(figure.subplots(), "no adversarial system in this run")
            return
        pair = training.iloc[0]
        same = (training["trained_on"] == pair["trained_on"]) & (training["tested_on"] == pair["tested_on"])
        panels = (
            ("loss [nats]", (("validation_loss", "label, source", BLUE), ("domain_loss", "domain", ORANGE))),
            ("accuracy [%]", (("validation_accuracy", "label, source", BLUE), ("domain_accuracy", "domain", ORANGE))),
        )
        for axes, (what, lines) in zip(figure.subplots(1, 2), panels, strict=True):
            for number, (_, one) in enumerate(training[same].groupby("seed")):
                for column, label, colour in lines:
                    factor = 100 if what.startswith("accuracy") else 1
                    style = {"color": colour, "marker": ".", "alpha": 0.8, "label": label if number == 0 else None}
                    axes.plot(one["epoch"], factor * one[column], **style)
            chance = 50 if what.startswith("accuracy") else np.log(2)
            axes.axhline(chance, color=QUIET, linewidth=0.8, linestyle=":")
            axes.set(xlabel="epoch", ylabel=what)
            axes.legend(fontsize=7)
        figure.tight_layout()


def failures(path: Path, table: pd.DataFrame) -> None:
    """Share of frames called hits against number of spots, signal-to-noise ratio and background."""
    names = list(dict.fromkeys(table["system"] + ", " + table["labels"]))
    styles = series_styles(names)
    words = {
        "n_spots": "visible spots",
        "snr": "median SNR of a hit's spots",
        "background": "median of the frame [ADU]",
    }
    with drawing(path, (8.2, 5.2)) as figure:
        grid = figure.subplots(2, 3, sharey=True)
        for line, is_own in zip(grid, (True, False), strict=True):
            for axes, (quantity, label) in zip(line, words.items(), strict=True):
                some = table[(table["quantity"] == quantity) & (table["is_own"] == is_own)]
                for (system, labels), one in some.groupby(["system", "labels"], sort=False):
                    one = one.sort_values("low")
                    name = f"{system}, {labels}"
                    x = one["middle"] + (quantity == "n_spots")
                    axes.plot(x, 100 * one["called_hit"], **styles[name], markersize=3, linewidth=1, label=name)
                axes.set(xlabel=label + (" + 1" if quantity == "n_spots" else ""), xscale="log", ylim=(0, 103))
                axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
                axes.xaxis.set_minor_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
                axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
                if quantity == "n_spots":
                    axes.axvline(4.5, color=QUIET, linestyle=":", linewidth=0.8)
                    where = "own dataset" if is_own else "another dataset"
                    axes.set_ylabel(f"called a hit [%], {where}")
        handles, found = grid[1][0].get_legend_handles_labels()
        more, others = grid[0][0].get_legend_handles_labels()
        legend = dict(zip([*others, *found], [*more, *handles], strict=True))
        figure.tight_layout(rect=(0, 0.09, 1, 1))
        figure.legend(legend.values(), legend.keys(), loc="lower center", ncols=5, fontsize=7)


def mistakes(path: Path, shown: Arrays, names: Sequence[str]) -> None:
    """What is most wrongly missed and called a hit in each dataset."""
    keys = [(name, kind) for name in names for kind in ("missed", "false") if f"mistake_{name}_{kind}" in shown]
    with drawing(path, (8.2, 3.1 * max(1, -(-len(keys) // 3))), palette=None) as figure:
        if not keys:
            _nothing(figure.subplots(), "no frame was taken for the other")
            return
        grid = figure.subplots(-(-len(keys) // 3), 3, squeeze=False).ravel()
        for axes in grid[len(keys) :]:
            axes.axis("off")
        for axes, (name, kind) in zip(grid, keys, strict=False):
            key = f"mistake_{name}_{kind}"
            p, n_spots = shown[f"{key}_p"]
            word = "missed" if kind == "missed" else "false alarm"
            title = f"{name}, {word}: {n_spots:.0f} spots, p = {p:.2f}"
            _frame(axes, shown[key], shown[f"{key}_spots"], title)
        figure.tight_layout()


def _nothing(axes: Axes, why: str) -> None:
    axes.axis("off")
    axes.text(0.5, 0.5, why, ha="center", va="center", color=QUIET)
