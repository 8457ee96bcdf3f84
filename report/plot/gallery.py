"""Pictures of patterns: one row per structure, one group of columns per hit multiplicity, conditions side by side."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from report.plot.style import DPI, PATTERN_COLORS, drawing

WIDTH = 2048
"""Pixels in the file that a row of patterns fills, about; a pixel of the detector is a whole number of them."""

LEFT, TOP, BOTTOM, GAP, GROUP_GAP = 250, 110, 160, 8, 24
"""Margins and distances [pixels in the file]."""

IN_PHOTONS = "photons per pixel; in a corner, all of the pattern"
"""What colours, and the number in a corner, say of counts."""

FAINTEST_COUNT = 0.3
"""Photons drawn as nothing; read noise would otherwise look like signal on a logarithmic scale."""


@dataclass(frozen=True)
class Condition:
    """One way of recording, and one pattern of every class."""

    name: str
    patterns: NDArray[np.float32]
    """(n_structures, n_multiplicities, ny, nx) [photons], NaN where masked."""
    pixel_s: float
    """Width of a pixel, as s = 1/resolution [nm⁻¹]."""
    counted: NDArray[np.int64] | None = None
    """(n_structures, n_multiplicities) photons in each pattern, written into it; None for expected photons."""

    def of(self, structures: Sequence[int]) -> "Condition":
        """The same of these structures alone, in this order."""
        rows = list(structures)
        counted = None if self.counted is None else self.counted[rows]
        return replace(self, patterns=self.patterns[rows], counted=counted)

    @property
    def norm(self) -> LogNorm:
        """One logarithmic scale for all of them; of counts, the brightest hundredth of lit pixels is off its end."""
        lit = self.patterns[self.patterns > (0 if self.counted is None else 1)]
        if not lit.size:
            return LogNorm(0.1, 1)
        if self.counted is None:
            return LogNorm(*np.quantile(lit, (0.02, 1)))
        return LogNorm(FAINTEST_COUNT, max(10, float(np.quantile(lit, 0.99))))


def gallery(
    path: Path,
    conditions: Sequence[Condition],
    structures: Sequence[str],
    hit_multiplicities: Sequence[int],
) -> None:
    """Draw a pattern of every class under every condition, to a PNG; images of fewer pixels are enlarged to the others.

    The first panel has a scale bar, and so has each further condition's where a pixel is another width of s.
    """
    n_pixels = max(condition.patterns.shape[-1] for condition in conditions)
    groups, side_by_side = len(hit_multiplicities), len(conditions)
    zoom = max(1, round(WIDTH / (n_pixels * groups * side_by_side)))
    panel = zoom * n_pixels
    step, group = panel + GAP, side_by_side * (panel + GAP) + GROUP_GAP
    width = LEFT + groups * group
    height = TOP + len(structures) * step + BOTTOM

    with drawing(path, (width / DPI, height / DPI)) as figure:

        def box(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
            """A rectangle in pixels from the top left corner, as figure.add_axes wants it."""
            return x / width, 1 - (y + h) / height, w / width, h / height

        def write(x: float, y: float, text: str, **style: Any) -> None:
            figure.text(x / width, 1 - y / height, text, **style)

        for column, multiplicity in enumerate(hit_multiplicities):
            x = LEFT + column * group
            particles = {0: "no particle", 1: "1 particle"}.get(multiplicity, f"{multiplicity} particles")
            write(x + (group - GROUP_GAP - GAP) / 2, 14, particles, ha="center", va="top", size=12, weight="bold")
            for place, condition in enumerate(conditions if side_by_side > 1 else ()):
                write(x + place * step + panel / 2, TOP - 8, condition.name, ha="center", va="bottom", size=11)
        for row, structure in enumerate(structures):
            y = TOP + row * step
            name = "\n".join(textwrap.wrap(structure.replace("_", "_ "), 11)).replace("_ ", "_")
            write(LEFT - 14, y + panel / 2, name, ha="right", va="center", size=12)
            for column in range(groups):
                for place, condition in enumerate(conditions):
                    axes = figure.add_axes(box(LEFT + column * group + place * step, y, panel, panel))
                    _draw_pattern(axes, condition, (row, column))
                    if row == column == 0 and (place == 0 or _scale(condition) != _scale(conditions[0])):
                        _draw_scale_bar(axes, condition.pixel_s)
        bar_width = (width - LEFT) / side_by_side - GROUP_GAP
        for place, condition in enumerate(conditions):
            x = LEFT + place * (bar_width + GROUP_GAP)
            bar = figure.add_axes(box(x, height - BOTTOM + 34, bar_width, 26))
            figure.colorbar(
                ScalarMappable(condition.norm, PATTERN_COLORS), cax=bar, orientation="horizontal", extend="both"
            )
            kind = "expected photons per pixel" if condition.counted is None else IN_PHOTONS
            bar.set_xlabel(f"{condition.name}: {kind}", size=11)
            bar.tick_params(labelsize=10)


def beside_one_another(
    path: Path, conditions: Mapping[str, Condition], structures: Mapping[str, str], hit_multiplicities: Sequence[int]
) -> None:
    """Draw a row of patterns for every condition, each on a logarithmic scale and with a scale bar of its own.

    Parameters
    ----------
    conditions : name -> patterns, of which those of the first structure are drawn.
    structures : name -> that structure.
    """
    columns = len(hit_multiplicities)
    panel = round(WIDTH / (2 * columns))
    step, label = panel + GAP, 1.5 * LEFT
    width, height = label + columns * step, TOP / 2 + len(conditions) * step
    with drawing(path, (width / DPI, height / DPI)) as figure:
        for row, (name, condition) in enumerate(conditions.items()):
            y = TOP / 2 + row * step
            middle = 1 - (y + panel / 2) / height
            text = "\n".join([*textwrap.wrap(name.replace("_", "_ "), 18), f"({structures[name]})"]).replace("_ ", "_")
            figure.text((label - 14) / width, middle, text, ha="right", va="center", size=10)
            for column, multiplicity in enumerate(hit_multiplicities):
                x = label + column * step
                if row == 0:
                    particles = {0: "no particle", 1: "1 particle"}.get(multiplicity, f"{multiplicity} particles")
                    figure.text((x + panel / 2) / width, 1 - 10 / height, particles, ha="center", va="top", size=11)
                axes = figure.add_axes((x / width, 1 - (y + panel) / height, panel / width, panel / height))
                _draw_pattern(axes, condition, (0, column))
                if column == 0:
                    _draw_scale_bar(axes, condition.pixel_s)


def _scale(condition: Condition) -> float:
    """Width of the whole image, as s [nm⁻¹]."""
    return condition.pixel_s * condition.patterns.shape[-1]


def _draw_pattern(axes: Axes, condition: Condition, index: tuple[int, int]) -> None:
    pattern = np.maximum(condition.patterns[index], 1e-30)  # zero has no logarithm and would be taken for masked
    axes.imshow(pattern, norm=condition.norm, cmap=PATTERN_COLORS, origin="lower", interpolation="none")
    axes.set_axis_off()
    if condition.counted is not None:
        label = axes.text(
            0.97, 0.03, f"{condition.counted[index]:,}", transform=axes.transAxes, ha="right", va="bottom", size=9
        )
        label.set(color="white", bbox={"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 0})


def _draw_scale_bar(axes: Axes, pixel_s: float) -> None:
    n_pixels = axes.get_xlim()[1] + 0.5
    longest = 0.4 * n_pixels * pixel_s
    power = 10 ** np.floor(np.log10(longest))
    length = power * max(digit for digit in (1, 2, 5) if digit * power <= longest)  # [nm⁻¹]
    start, y = 0.05 * n_pixels, 0.06 * n_pixels
    axes.plot([start, start + length / pixel_s], [y, y], color="white", linewidth=2, solid_capstyle="butt")
    axes.text(start, y + 0.03 * n_pixels, f"{length:g} nm⁻¹", color="white", size=9, va="bottom")
