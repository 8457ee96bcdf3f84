"""Figures of where twin networks put patterns, and of the patterns, from arrays to files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evaluate.twin.outputs import NO_FAMILY
from report.plot.gallery import Condition
from report.plot.style import BLUE, DPI, INK, ORANGE, PATTERN_COLORS, SERIES, drawing
from report.twin.figures.accuracy import GRID, PALE

SINGLE, MULTIPLE = "single hit", "multiple hits"
COLORS = {SINGLE: BLUE, MULTIPLE: ORANGE}

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">", "p", "h")
"""Of structures; those of a family share a colour."""

ACROSS, ZOOM, SPACE = 6, 2, 8
"""Patterns in a row of the gallery, pixels of the file per pixel of a pattern, pixels of the file between patterns."""


@dataclass(frozen=True)
class Shown:
    """One pattern of the gallery, and what was said of it."""

    pattern: NDArray[np.float32]
    """(ny, nx) [photons], NaN where masked"""
    p_single: float
    hit_multiplicity: int
    structure: str


@contextmanager
def colour_drawing(path: Path, inches: tuple[float, float]) -> Iterator[Figure]:
    """As `canvas.drawing`, for a .png in the colours of the figure: those of `canvas` are the colours of patterns."""
    with drawing(path, inches, palette=None) as figure:
        yield figure


def evolution(
    path: Path, panels: Mapping[str, NDArray[np.floating]], is_single: NDArray[np.bool_], names: tuple[str, str]
) -> None:
    """Where patterns lie, a panel for each epoch, on the same axes.

    Parameters
    ----------
    panels :    title -> places (n, 2).
    is_single : (n,).
    names :     of the two coordinates.
    """
    with colour_drawing(path, (8, 3.05)) as figure:
        axes_of = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        figure.subplots_adjust(left=0.085, right=0.985, top=0.83, bottom=0.155, wspace=0.08)
        # Which lies on top would depend on the class if one were drawn after the other.
        order = np.random.default_rng(0).permutation(len(is_single))
        colors = np.where(is_single, BLUE, ORANGE)[order]
        for axes, (title, places) in zip(axes_of, panels.items(), strict=True):
            axes.scatter(places[order, 0], places[order, 1], c=colors, s=7, alpha=0.55, linewidths=0)
            axes.set_title(title, loc="left")
            axes.set_xlabel(names[0])
            axes.grid(**GRID)
            axes.set_axisbelow(True)
        axes_of[0].set_ylabel(names[1])
        axes_of[0].xaxis.set_major_locator(MaxNLocator(max(2, 10 // len(panels))))  # more would touch
        _legend_of_hits(figure)


def _legend_of_hits(figure: Figure) -> None:
    handles = [Line2D([], [], color=color, **_DOT, label=name) for name, color in COLORS.items()]
    figure.legend(handles=handles, loc="upper right", ncols=2, borderaxespad=0.3)


_DOT: dict[str, Any] = {"marker": "o", "markersize": 4.5, "linestyle": "none", "markeredgewidth": 0}


def embedding_map(
    path: Path,
    places: NDArray[np.floating],
    hit_multiplicity: NDArray[np.int64],
    structure: NDArray[np.str_],
    families: Mapping[str, Sequence[str]],
) -> None:
    """Patterns as a map, on the left by the number of particles, on the right by structure.

    Parameters
    ----------
    places :   (n, 2), hit_multiplicity and structure (n,).
    families : name -> structures: a colour for each family, a marker for each structure in it; all others are pale.
    """
    shown = {name: [one for one in members if one in structure] for name, members in families.items()}
    styles = _family_styles(shown)
    entries = len(styles) + sum(bool(members) for members in shown.values()) + 1
    width, side = 8.0, 3.05
    height = max(side + 0.9, 0.4 + 0.152 * entries)
    with colour_drawing(path, (width, height)) as figure:
        bottom = (height - 0.3 - side) / height
        counted, named = (figure.add_axes((x / width, bottom, side / width, side / height)) for x in (0.15, 3.4))
        multiplicities = np.unique(hit_multiplicity)
        shades = _shades(multiplicities)
        order = np.random.default_rng(0).permutation(len(places))
        colors = np.array(shades)[np.searchsorted(multiplicities, hit_multiplicity)]
        counted.scatter(places[order, 0], places[order, 1], c=colors[order], s=7, alpha=0.75, linewidths=0)
        other = ~np.isin(structure, list(styles))
        named.scatter(places[other, 0], places[other, 1], c=PALE, s=8, linewidths=0)
        for name, style in styles.items():
            one = structure == name
            named.scatter(places[one, 0], places[one, 1], s=16, alpha=0.8, linewidths=0.3, edgecolors="white", **style)
        for axes, title in ((counted, "number of particles"), (named, "structure")):
            axes.set_title(title, loc="left", weight="bold")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color(PALE)
        handles = [
            Line2D([], [], color=shade, **_DOT, label=f"{m} particle{'s' if m > 1 else ''}")
            for m, shade in zip(multiplicities, shades, strict=True)
        ]
        counted.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(-0.02, -0.01),
            ncols=2,
            handletextpad=0.2,
            columnspacing=1,
        )
        _legend_of_families(figure, shown, styles, bool(other.any()), (6.5 / width, 1 - 0.3 / height))


def _shades(multiplicities: NDArray[np.int64]) -> list[str]:
    """Single hits as everywhere; 2, 3, ... particles from light to dark."""
    multiple = [m for m in multiplicities if m > 1]
    reds = matplotlib.colormaps["YlOrRd"](np.linspace(0.45, 0.95, len(multiple)))
    colors = {1: BLUE, **dict(zip(multiple, map(to_hex, reds), strict=True))}
    return [colors[m] for m in multiplicities]


def _family_styles(families: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """A colour for each family, and for each structure of none; a marker that no other has, as long as there are."""
    colors, styles = [*SERIES, "#8b5a2b", INK], dict[str, dict[str, Any]]()
    place = 0
    for family, members in families.items():
        for structure in members:
            styles[structure] = {
                "color": colors[place % len(colors)],
                "marker": MARKERS[len(styles) % len(MARKERS)],
            }
            place += family == NO_FAMILY
        place += family != NO_FAMILY
    return styles


def _legend_of_families(
    figure: Figure,
    families: Mapping[str, Sequence[str]],
    styles: Mapping[str, Mapping[str, Any]],
    others: bool,
    corner: tuple[float, float],
) -> None:
    """A heading for each family of more than one structure, and a line for each structure."""
    handles: list[Line2D] = []
    headings: list[int] = []
    for family, members in families.items():
        if members and [family] != list(members):
            headings.append(len(handles))
            handles.append(Line2D([], [], linestyle="none", label=family))
        handles += [Line2D([], [], **{**_DOT, **styles[one]}, label=one) for one in members]
    if others:
        handles.append(Line2D([], [], color=PALE, **_DOT, label="all others"))
    spacing: dict[str, Any] = {"handletextpad": 0.2, "labelspacing": 0.25, "borderaxespad": 0}
    legend = figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, fontsize=7.5, **spacing)
    for heading in headings:
        legend.get_texts()[heading].set_fontweight("bold")


def gallery(path: Path, rows: Mapping[str, Sequence[Shown]], counted: bool) -> None:
    """Patterns with the probability of a single hit and the truth below each, under the headings of `rows`."""
    every = [shown for patterns in rows.values() for shown in patterns]
    stack = np.array([shown.pattern for shown in every])[:, None]
    panel = ZOOM * (stack.shape[-1] if len(every) else 128)
    norm = Condition("", stack, 1.0, np.zeros(1, np.int64) if counted else None).norm
    heading, below, step, foot = 64, 92, panel + SPACE, 150
    lines = {name: max(1, -(-len(patterns) // ACROSS)) for name, patterns in rows.items()}
    width = ACROSS * step + SPACE
    height = sum(heading + n * (panel + below) for n in lines.values()) + foot
    with drawing(path, (width / DPI, height / DPI)) as figure:
        y = 0
        for name, patterns in rows.items():
            figure.text(SPACE / width, 1 - (y + 14) / height, name, va="top", size=12, weight="bold")
            y += heading
            if not patterns:
                figure.text(SPACE / width, 1 - (y + 14) / height, "none", va="top", size=12)
            for number, shown in enumerate(patterns):
                x, line = SPACE + number % ACROSS * step, y + number // ACROSS * (panel + below)
                axes = figure.add_axes((x / width, 1 - (line + panel) / height, panel / width, panel / height))
                lit = np.maximum(shown.pattern, 1e-30)  # zero has no logarithm and would be taken for masked
                axes.imshow(lit, norm=norm, cmap=PATTERN_COLORS, origin="lower", interpolation="none")
                axes.set_axis_off()
                text = f"p(single) {shown.p_single:.2f}\n{shown.hit_multiplicity} × {_short(shown.structure)}"
                figure.text(x / width, 1 - (line + panel + 4) / height, text, va="top", size=10.5)
            y += lines[name] * (panel + below)
        bar = figure.add_axes((SPACE / width, (foot - 40) / height, 1 - 2 * SPACE / width, 26 / height))
        figure.colorbar(ScalarMappable(norm, PATTERN_COLORS), cax=bar, orientation="horizontal", extend="both")
        bar.set_xlabel(f"{'photons' if counted else 'expected photons'} per pixel", size=11)
        bar.tick_params(labelsize=10)


def _short(name: str, longest: int = 12) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
