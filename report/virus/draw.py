"""Figures of single hits of a virus, from tables and arrays to files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from evaluate.metrics.operating_points import purity_yield
from evaluate.virus.published import PUBLISHED
from evaluate.virus.selection import N_POSITIVE, same_labels
from report.plot.style import PATTERN_COLORS, drawing, series_styles


def said(method: str) -> str:
    """A method's name in words."""
    parts = method.split("_")
    if parts[0] in ("yolov2", "yolov3"):
        named = {"yolov2": "YOLOv2", "yolov3": "YOLOv3"}[parts[0]]
        return named if len(parts) < 3 else f"{named} {parts[1]} {parts[2]}"
    known = {"em": "EM", "ours_and_em": "ours ∩ EM", "yolo_and_em": "YOLO ∩ EM", "spectral": "spectral clusters"}
    return known.get(method, method)


def _pattern(axes: Axes, frame: NDArray, mask: NDArray | None = None, box: NDArray | None = None) -> None:
    shown = np.maximum(np.asarray(frame, float), 0.3)
    if mask is not None:
        shown = np.where(mask, np.nan, shown)
    top = max(3.0, float(np.nanquantile(shown, 0.998)))
    axes.imshow(shown, norm=LogNorm(0.3, top), cmap=PATTERN_COLORS, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    if box is not None and np.isfinite(box).all():
        x, y, width, height = box
        axes.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, fill=False, color="white", lw=1.2))


def gallery(
    path: Path,
    groups: Mapping[str, NDArray],
    mask: NDArray,
    boxes: Mapping[str, NDArray] | None = None,
    words: Mapping[str, Sequence[str]] | None = None,
    columns: int = 8,
) -> None:
    """Frames (n, ny, nx) of each group in a row, photons on a logarithmic scale, white boxes where there are."""
    groups = {name: frames for name, frames in groups.items() if len(frames)}
    ratio = mask.shape[0] / mask.shape[1]
    with drawing(path, (1.15 * columns + 1.4, (1.15 * ratio + 0.28) * max(1, len(groups)) + 0.1)) as figure:
        grid = figure.subplots(max(1, len(groups)), columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for row, (name, frames) in enumerate(groups.items()):
            for i, frame in enumerate(frames[:columns]):
                axes = grid[row, i]
                axes.set_axis_on()
                _pattern(axes, frame, mask, None if boxes is None or name not in boxes else boxes[name][i])
                if words is not None and name in words:
                    axes.set_title(words[name][i], size=7, pad=2)
            grid[row, 0].set_ylabel(name.replace("_", "\n"), rotation=0, ha="right", va="center", size=9)
        figure.subplots_adjust(left=0.13, right=0.99, top=0.95, bottom=0.02, wspace=0.06, hspace=0.22)


def representations(path: Path, pictures: Mapping[str, NDArray]) -> None:
    """One frame as each network sees it: name -> (y, x) grey from 0 to 255."""
    with drawing(path, (2.2 * len(pictures), 2.6), palette=None) as figure:
        for axes, (name, picture) in zip(
            figure.subplots(1, len(pictures), squeeze=False)[0], pictures.items(), strict=True
        ):
            axes.imshow(picture, cmap="jet" if name.startswith("jet") else "gray", vmin=0, vmax=255)
            axes.set_title(name, size=9)
            axes.set_axis_off()
        figure.tight_layout()


def f1_curves(path: Path, histories: Mapping[str, pd.DataFrame], iterations: int) -> None:
    """F1 of the validation frames after every epoch of each training."""
    styles = series_styles(list(histories))
    with drawing(path, (7.5, 3.8)) as figure:
        axes = figure.add_subplot()
        for name, history in histories.items():
            axes.plot(history["epoch"] * iterations, history["validation_f1"], label=said(name), **styles[name])
        axes.set(xlabel="iteration", ylabel="F1 on validation", ylim=(0, 1))
        axes.legend(fontsize=8, ncols=2, frameon=False)
        figure.tight_layout()


def precision_recall(path: Path, scored: Mapping[str, tuple[NDArray, NDArray, NDArray]]) -> None:
    """Precision against recall of scores, what was selected as a dot, and the slides' points as crosses.

    Parameters
    ----------
    scored : method -> score, chosen, single hit by the person's labels (n,).
    """
    styles = series_styles(list(scored))
    with drawing(path, (9, 4.6)) as figure:
        axes = figure.add_subplot()
        for name, (score, chosen, single) in scored.items():
            style = styles[name]
            if np.isfinite(score).all():
                _, precision, recall = purity_yield(score, single)
                axes.plot(recall, precision, label=said(name), **(style | {"marker": ""}))
            shared = (chosen & single).sum()
            if chosen.any():
                axes.plot(shared / single.sum(), shared / chosen.sum(), "o", ms=6, color=style["color"])
        for name, row in PUBLISHED.items():
            if same_labels(row):
                place = row.shared / N_POSITIVE, row.shared / row.selected
                axes.plot(*place, "x", color="0.4", ms=7)
                axes.annotate(said(name), place, xytext=(4, 3), textcoords="offset points", size=6, color="0.4")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.03))
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))
        figure.tight_layout()


def em_classes(path: Path, models: NDArray, sizes: NDArray, chosen: NDArray) -> None:
    """Class models (k, rings, angles) unrolled onto the plane, by size; the chosen ones in a frame."""
    n_rings, n_angles = models.shape[1:]
    y, x = np.mgrid[-n_rings : n_rings + 1, -n_rings : n_rings + 1]
    ring = np.minimum(np.hypot(x, y).astype(int), n_rings - 1)
    angle = np.floor((np.arctan2(y, x) / np.pi % 1) * n_angles).astype(int) % n_angles
    order, columns = np.argsort(-sizes), 7
    rows = -(-len(models) // columns)
    with drawing(path, (9, 1.5 * rows)) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, k in zip(grid.flat, order, strict=False):
            axes.set_axis_on()
            shown = np.where(np.hypot(x, y) < n_rings, models[k][ring, angle], np.nan)
            top = float(np.nanmax(shown))
            axes.imshow(shown, norm=LogNorm(top * 1e-4, top), cmap=PATTERN_COLORS)
            axes.set_xticks([])
            axes.set_yticks([])
            is_chosen = k in chosen
            axes.set_title(f"{'✓ ' if is_chosen else ''}{k + 1}: {sizes[k]}", size=8, pad=2)
            for spine in axes.spines.values():
                spine.set(visible=True, color="#d55e00" if is_chosen else "0.7", linewidth=2.5 if is_chosen else 0.5)
        figure.tight_layout()


def spectra(path: Path, radius: NDArray, named: Mapping[str, NDArray]) -> None:
    """Radial power spectral densities of the selected sets."""
    styles = series_styles(list(named))
    with drawing(path, (7.5, 3.8)) as figure:
        axes = figure.add_subplot()
        for name, spectrum in named.items():
            axes.semilogy(radius, spectrum, label=said(name), **(styles[name] | {"marker": ""}))
        axes.set(xlabel="distance from the beam (pixels)", ylabel="share of photons per pixel")
        axes.legend(fontsize=8, ncols=2, frameon=False)
        figure.tight_layout()


def agreement(path: Path, table: pd.DataFrame) -> None:
    """IoU of every two sets, as a matrix."""
    names = list(dict.fromkeys([*table["one"], *table["other"]]))
    matrix = np.eye(len(names))
    for one, other, iou in table.itertuples(index=False):
        i, j = names.index(one), names.index(other)
        matrix[i, j] = matrix[j, i] = iou
    side = 0.62 * len(names) + 1.8
    with drawing(path, (side, side - 0.6)) as figure:
        axes = figure.add_subplot()
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), [said(name) for name in names], rotation=55, ha="right", size=8)
        axes.set_yticks(range(len(names)), [said(name) for name in names], size=8)
        for i, j in np.ndindex(matrix.shape):
            axes.text(
                j,
                i,
                f"{100 * matrix[i, j]:.0f}",
                ha="center",
                va="center",
                size=7,
                color="w" if matrix[i, j] > 0.6 else "k",
            )
        figure.tight_layout()
