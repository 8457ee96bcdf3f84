"""Figures of a run's patterns, from arrays to files."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from report.plot.style import QUIET, drawing

RESOLUTIONS_NM = (100, 50, 20, 10, 5, 4, 3, 2.5, 2, 1.5, 1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2)
"""Ticks of an axis of resolution."""


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
    """Share of the patterns by the photons in them, a panel for every hit multiplicity on the same axes.

    Parameters
    ----------
    edges :    (k + 1,) of the bins [photons], as in a dataset's card; what begins at 0 is told in words alone.
    counts :   hit multiplicity -> (k,) patterns.
    expected : whether photons are means, no counts.
    """
    hit = [multiplicity for multiplicity in counts if multiplicity]
    colors = dict(zip(hit, matplotlib.colormaps["viridis_r"](np.linspace(0.12, 1, len(hit))), strict=True))
    lit = np.flatnonzero(sum(counts.values()) * (edges[:-1] > 0))
    drawn = slice(lit[0], lit[-1] + 1) if lit.size else slice(0)
    panel, top, bottom = 0.62, 0.1, 0.5  # inches
    height = top + panel * len(counts) + bottom
    with drawing(path, (8, height)) as figure:
        panels = figure.subplots(len(counts), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        figure.subplots_adjust(left=0.085, right=0.8, top=1 - top / height, bottom=bottom / height, hspace=0.18)
        panels[0].set_xscale("log")
        for axes, (multiplicity, patterns) in zip(panels, counts.items(), strict=True):
            label = {0: "no particle", 1: "1 particle"}.get(multiplicity, f"{multiplicity} particles")
            if edges[0] == 0 and patterns[0]:
                label += f"\n({100 * patterns[0] / patterns.sum():.3g} % below 1)"
            color = colors.get(multiplicity, QUIET)
            axes.annotate(label, (1.015, 0.5), xycoords="axes fraction", va="center")
            if lit.size:
                share, sides = 100 * patterns[drawn] / patterns.sum(), edges[drawn.start : drawn.stop + 1]
                axes.stairs(share, sides, color=color, fill=True, alpha=0.3)
                axes.stairs(share, sides, color=color, linewidth=1.2)
            axes.grid(axis="x", color="#e3e7eb", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.yaxis.set_major_locator(MaxNLocator(2))
        low, high = panels[-1].get_xlim()
        panels[-1].xaxis.set_major_locator(LogLocator(subs=(1,) if high > 50 * low else (1, 2, 5)))
        panels[-1].xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panels[-1].xaxis.set_minor_formatter(NullFormatter())
        panels[-1].set_ylim(bottom=0)
        panels[-1].set_xlabel(f"{'expected photons' if expected else 'photons'} in a pattern")
        figure.supylabel("patterns (% in a bin)", x=0.012, size=9)
