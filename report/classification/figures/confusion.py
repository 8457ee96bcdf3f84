"""Confusions and training curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm
from numpy.typing import NDArray

from report.plot.style import INK, QUIET, drawing


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
                text = "<1" if value <= 0.5 else ">99" if 99.5 <= value < 100 else f"{value:.0f}"
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


def class_confusion(
    path: Path, matrix: NDArray[np.int64], classes: Sequence[tuple[str, str]], quantities: tuple[str, str]
) -> None:
    """How often each class (row) was given each answer (column): a shade for the per cent of the row.

    Parameters
    ----------
    matrix :     (k, k) patterns.
    classes :    answer to each of two questions, as structure and number; those of one first answer one after another.
    quantities : what the two are called.
    """
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    k, of = len(matrix), [group for group, _ in classes]
    groups = list(dict.fromkeys(of))
    longest = max(len(second) for _, second in classes)
    aside = 12.0 if longest <= 2 else 6 + 5.0 * longest  # points, from the axes to the groups' names
    cell, edge = max(0.115, 2.4 / k), 0.9  # inches
    margin = 0.45 + 0.078 * max(map(len, groups)) + (aside - 12) / 72
    width = k * cell + margin + edge
    height = k * cell + margin + 0.1
    with drawing(path, (width, height)) as figure:
        axes = figure.add_axes((margin / width, 0.1 / height, k * cell / width, k * cell / height))
        image = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 100), interpolation="nearest")
        middles = [of.index(group) + (of.count(group) - 1) / 2 for group in groups]
        axes.set_xticks(middles, groups, rotation=90)
        axes.set_yticks(middles, groups)
        each = np.arange(k)
        numbers = [second for _, second in classes]
        for axis in (axes.xaxis, axes.yaxis):
            axis.remove_overlapping_locs = False  # the middle one of three answers is where their group's name is
        turned = 90 if longest > 2 else 0
        axes.set_xticks(each, numbers, minor=True, size=5 if k > 24 else 8, rotation=turned)
        axes.set_yticks(each, numbers, minor=True, size=5 if k > 24 else 8)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel(f"answered {', '.join(quantities)}")
        axes.set_ylabel(f"true {', '.join(quantities)}")
        axes.tick_params(which="major", length=0, pad=aside)
        axes.tick_params(which="minor", length=0, pad=2, labelcolor=QUIET, labeltop=True, labelbottom=False)
        for group in groups[1:]:
            axes.axhline(of.index(group) - 0.5, color="#c3cad1", linewidth=0.6)
            axes.axvline(of.index(group) - 0.5, color="#c3cad1", linewidth=0.6)
        axes.spines[:].set_visible(True)
        bar = figure.add_axes(((margin + k * cell + 0.15) / width, 0.1 / height, 0.12 / width, k * cell / height))
        figure.colorbar(image, cax=bar, ticks=[0, 1, 5, 10, 20, 50, 100]).set_label("% of the row")
