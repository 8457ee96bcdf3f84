"""Figures of a run's patterns, from arrays to files."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from evaluate.canvas import QUIET, drawing

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
