"""One quiet style for every figure, and how a figure becomes a file."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from frames.files import atomic_path

INK, QUIET = "#1f2328", "#6b7280"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
"""Of the palette of Okabe & Ito, made for colour-blind readers."""

SERIES = (BLUE, ORANGE, GREEN, "#cc79a7", "#e69f00", "#56b4e9")
"""Of lines that have to be told apart, from the same palette; its yellow is too light on paper."""

PATTERN_COLORS = matplotlib.colormaps["inferno"].with_extremes(bad="#8a8a8a")
"""Of photons in a pixel; masked pixels are grey."""

DPI = 200
"""Of PNG files."""

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.dpi": DPI,
    "svg.hashsalt": "singlehit",  # ids in the file, and so its bytes, would differ from run to run
}


def series_styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name -> colour, dashes and marker of its line: for the first six the colour says it, then the others as well."""
    shapes = (("-", "o"), ((0, (4, 1.5)), "^"), ((0, (1, 1.2)), "s"))
    styles = {}
    for number, name in enumerate(names):
        linestyle, marker = shapes[number // len(SERIES) % len(shapes)]
        styles[name] = {"color": SERIES[number % len(SERIES)], "linestyle": linestyle, "marker": marker}
    return styles


def begin_above_zero(axes: Axes, side: Literal["x", "y"], low: float) -> None:
    """Let an axis of per cent begin at `low`; where that is not 0, two strokes break it and its label says so."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    axes.set(**{f"{side}lim": (low, None)})
    if not low:
        return
    axis.set_label_text(f"{axis.get_label_text()}, from {low:g}")
    for at in (0.012, 0.026):
        place = (at, 0) if side == "x" else (0, at)
        stroke: dict[str, Any] = {"marker": (2, 0, -20 if side == "x" else -70), "markersize": 9, "clip_on": False}
        axes.plot(*place, transform=axes.transAxes, color=QUIET, zorder=5, label="_broken", **stroke)


def _pattern_palette() -> Image.Image:
    """One byte a pixel: the colours of the map and greys for the type are all there is."""
    colors = np.concatenate(
        [PATTERN_COLORS(np.linspace(0, 1, 224))[:, :3], np.linspace(0, 1, 32)[:, None].repeat(3, 1)]
    )
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(255 * colors).astype(np.uint8).tobytes())
    return palette


PATTERN_PALETTE = _pattern_palette()
"""Of figures that show patterns."""


@contextmanager
def drawing(path: Path, inches: tuple[float, float], palette: Image.Image | None = PATTERN_PALETTE) -> Iterator[Figure]:
    """A figure to draw on, written to `path` (.svg or .png) when the block ends; equal drawings are equal bytes.

    Parameters
    ----------
    palette : the colours of a .png; None: the 256 that serve it best.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=inches)
        yield figure
        with atomic_path(path) as temporary:
            if path.suffix == ".png":
                _save_png(figure, temporary, palette)
            else:
                figure.savefig(temporary, metadata={"Date": None})


def _save_png(figure: Figure, path: Path, palette: Image.Image | None) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
