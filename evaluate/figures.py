"""The figures of a run, from arrays to files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from evaluate.canvas import BLUE, GREEN, INK, ORANGE, QUIET, drawing
from evaluate.metrics import Accuracies

ACCURACY_CURVES = (
    ("validation_count_accuracy", "hit multiplicity", GREEN, "count_accuracy"),
    ("validation_particle_accuracy", "structure", ORANGE, "particle_accuracy"),
    ("validation_accuracy", "both", BLUE, "test_accuracy"),
)
"""Column of history.csv, its name, its colour, and the question it answers."""

RESOLUTIONS_NM = (100, 50, 20, 10, 5, 4, 3, 2.5, 2, 1.5, 1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2)
"""Ticks of an axis of resolution."""


def confusion(path: Path, matrix: NDArray[np.int64], labels: Sequence[str], quantity: str) -> None:
    """How often each true label (row) was given each answer (column), in per cent of the row.

    Parameters
    ----------
    matrix :   (k, k) patterns, as from `metrics.confusion`.
    quantity : what the labels are, for the axes: structure, hit multiplicity.
    """
    shown, answered = matrix.sum(axis=1), matrix.sum(axis=0)
    share = np.divide(100 * matrix, shown[:, None], out=np.zeros(matrix.shape), where=shown[:, None] > 0)
    k = len(labels)
    rows, columns = (
        [f"{label} ({n:,})" for label, n in zip(labels, total, strict=True)] for total in (shown, answered)
    )
    cell, margin = max(0.46, 2.1 / k), 0.5 + 0.074 * max(map(len, rows + columns))  # inches
    size = k * cell + margin + 0.1
    with drawing(path, (size, size)) as figure:
        axes = figure.add_axes((margin / size, 0.1 / size, k * cell / size, k * cell / size))
        axes.imshow(share, cmap="Blues", vmin=0, vmax=115)  # not to 100: the darkest blue hides the number
        for (row, column), value in np.ndenumerate(share):
            if matrix[row, column]:
                text = f"{value:.0f}" if value >= 0.5 else "<1"
                axes.text(column, row, text, ha="center", va="center", color="white" if value > 60 else INK, size=8)
        axes.set_xticks(range(k), columns, rotation=90)
        axes.set_yticks(range(k), rows)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel(f"answered {quantity}", labelpad=6)
        axes.set_ylabel(f"true {quantity}", labelpad=6)
        axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)


def training_curves(path: Path, histories: Mapping[int, pd.DataFrame], majority: Accuracies) -> None:
    """Loss and validation accuracies by epoch, a line for every seed.

    Parameters
    ----------
    histories : seed -> the rows of its history.csv.
    majority :  accuracies of the most frequent answers (dotted).
    """
    with drawing(path, (8, 2.8)) as figure:
        loss, accuracy = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.06, right=0.815, bottom=0.17, top=0.95, wspace=0.22)
        for number, curves in enumerate(histories.values()):
            label = "_" if number else ""  # an underscore keeps the other seeds out of the legend
            loss.plot(curves["epoch"], curves["train_loss"], color=QUIET, label=f"{label}training")
            loss.plot(curves["epoch"], curves["validation_loss"], color=BLUE, label=f"{label}validation")
            for column, name, color, _ in ACCURACY_CURVES:
                accuracy.plot(curves["epoch"], 100 * curves[column], color=color, label=f"{label}{name}")
        for _, _, color, question in ACCURACY_CURVES:
            accuracy.axhline(100 * getattr(majority, question), color=color, linestyle=":", linewidth=1)
        accuracy.plot([], [], color=QUIET, linestyle=":", linewidth=1, label="majority")
        loss.set_ylabel("loss")
        loss.set_ylim(bottom=0)
        loss.legend()
        accuracy.set_ylabel("validation accuracy (%)")
        accuracy.set_ylim(0, 100)
        accuracy.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        for axes in (loss, accuracy):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def radial_profiles(path: Path, s: NDArray[np.float64], profiles: Mapping[str, NDArray[np.float64]]) -> None:
    """Photons per pixel by scattering angle, a line for every structure, from light to dark in the given order.

    Parameters
    ----------
    s :        (n_rings,) 1/resolution [nm⁻¹].
    profiles : structure -> (n_rings,) mean photons per pixel; NaN where no pixel is usable.
    """
    colors = matplotlib.colormaps["viridis_r"](np.linspace(0.12, 1, len(profiles)))
    with drawing(path, (8, 3.4)) as figure:
        axes = figure.add_axes((0.085, 0.15, 0.68, 0.7))
        for number, (structure, profile) in enumerate(profiles.items()):
            axes.semilogy(s, profile, color=colors[number], linestyle=("-", "--")[number % 2], label=structure)
        axes.set_xlim(0, s[-1])
        axes.set_xlabel("1 / resolution (nm⁻¹)")
        axes.set_ylabel("photons per pixel")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        top = axes.secondary_xaxis("top")
        resolutions = [d for d in RESOLUTIONS_NM if s[-1] / 12 < 1 / d <= s[-1]]
        top.set_xticks([1 / d for d in resolutions], [f"{d:g}" for d in resolutions])
        top.set_xlabel("resolution (nm)")
        top.spines["top"].set_visible(True)


def photons_per_pattern(
    path: Path, edges: NDArray[np.float64], counts: Mapping[int, NDArray[np.int64]], expected: bool
) -> None:
    """Share of the patterns of every hit multiplicity by the photons in them, from light to dark; none hit in grey.

    Parameters
    ----------
    edges :    (k + 1,) of the bins [photons], as in a dataset's card; what begins at 0 is told in the legend alone.
    counts :   hit multiplicity -> (k,) patterns.
    expected : whether photons are means, no counts.
    """
    hit = [multiplicity for multiplicity in counts if multiplicity]
    colors = dict(zip(hit, matplotlib.colormaps["viridis_r"](np.linspace(0.12, 1, len(hit))), strict=True))
    lit = np.flatnonzero(sum(counts.values()) * (edges[:-1] > 0))
    drawn = slice(lit[0], lit[-1] + 1) if lit.size else slice(0)
    with drawing(path, (8, 2.6)) as figure:
        axes = figure.add_axes((0.085, 0.2, 0.68, 0.75))
        axes.set_xscale("log")
        for multiplicity, patterns in counts.items():
            label = {0: "no particle", 1: "1 particle"}.get(multiplicity, f"{multiplicity} particles")
            if edges[0] == 0 and patterns[0]:
                label += f"\n({100 * patterns[0] / patterns.sum():.3g} % below 1)"
            color = colors.get(multiplicity, QUIET)
            axes.plot([], [], color=color, label=label)
            if lit.size:
                share, sides = 100 * patterns[drawn] / patterns.sum(), edges[drawn.start : drawn.stop + 1]
                axes.stairs(share, sides, color=color, fill=True, alpha=0.12)
                axes.stairs(share, sides, color=color, linewidth=1.5)
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 50 * low else (1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"{'expected photons' if expected else 'photons'} in a pattern")
        axes.set_ylabel("patterns (% in a bin)")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
