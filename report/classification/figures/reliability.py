"""Figures of how far answers can be trusted, from arrays to files."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evaluate.metrics.accuracy import wilson_interval
from evaluate.metrics.calibration import Reliability
from report.plot.style import QUIET, drawing, series_styles

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

PURITIES = (0.05, 0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
"""Ticks of an axis of purity."""

LOWEST_PURITIES = (0.8, 0.7, 0.6, 0.5)
"""Where that axis may begin: nobody selects for less."""

HIGHEST_PURITY = 0.9995
"""Where that axis ends: it is one of log odds, on which a purity of 1 is infinitely far."""

LONGEST_LABEL = 48
"""Characters along the axis of purity."""

N_DRAWN = 500
"""Thresholds of a line that are drawn."""

GREY: tuple[dict[str, Any], ...] = (
    {"linestyle": (0, (5, 2)), "marker": "D"},
    {"linestyle": (0, (1, 1.5)), "marker": "v"},
)
"""Dashes and markers of baselines."""


def reliability(
    path: Path,
    before: Mapping[str, Reliability],
    after: Mapping[str, Reliability],
    baselines: Collection[str] = (),
) -> None:
    """Accuracy by confidence, as the networks were trained and at the temperature of the validation split.

    Bars are Wilson's 95 % intervals of the patterns in a bin.

    Parameters
    ----------
    before, after : model -> `calibration.reliability_curve(*calibration.confidence(head))` of its test rows.
    baselines :     models that are drawn in grey.
    """
    styles = _styles(before, baselines)
    bars = {id(curve): _intervals(curve) for curve in (*before.values(), *after.values())}
    low = min(float(min(c.confidence[0], bars[id(c)][0].min())) for c in (*before.values(), *after.values()))
    low = float(np.floor(10 * low) / 10)
    begins = f", from {100 * low:.0f}" if low else ""
    with drawing(path, (8, 3.4)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        figure.subplots_adjust(left=0.065, right=0.78, bottom=0.14, top=0.92, wspace=0.08)
        panels[0].set_ylabel(f"accuracy (%){begins}")
        for axes, title, curves in zip(panels, ("as trained", "temperature scaled"), (before, after), strict=True):
            axes.plot([0, 100], [0, 100], color=QUIET, linestyle=":", linewidth=1, label="calibrated")
            for model, curve in curves.items():
                x, y = 100 * curve.confidence, 100 * curve.accuracy
                axes.plot(x, y, **styles[model], label=model.replace("_", " "))
                lower, upper = bars[id(curve)]
                axes.vlines(x, 100 * lower, 100 * upper, color=styles[model]["color"], linewidth=0.8, alpha=0.6)
            axes.set_title(title, loc="left", weight="bold")
            axes.set_xlabel(f"confidence (%){begins}")
            axes.set_xlim(100 * low, 101)
            axes.set_ylim(100 * low, 101)
            axes.set_aspect("equal")
            axes.grid(color="#e3e7eb", linewidth=0.6)
            axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 10]))
            axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 10]))
        panels[1].plot([], [], color=QUIET, linewidth=0.8, label="95 % interval of a bin")
        panels[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), handlelength=3, fontsize=8)


def _intervals(curve: Reliability) -> Curve:
    """(b,) lower and (b,) upper ends of Wilson's 95 % interval of the accuracy in each bin."""
    ends = [wilson_interval(float(right), int(n)) for right, n in zip(curve.accuracy, curve.n, strict=True)]
    lower, upper = np.array(ends).T
    return lower, upper


def purity_yield(
    path: Path,
    curves: Mapping[str, Curve],
    points: Mapping[str, Sequence[tuple[float, float]]],
    single_fraction: float,
    baselines: Collection[str] = (),
    kept: str = "single hits",
) -> None:
    """Purity of the patterns kept against the yield of those that are to be, a line for each model.

    Parameters
    ----------
    curves :          model -> (t,) yield and (t,) purity at every threshold, on test rows.
    points :          model -> yield and purity, on test rows, of the thresholds chosen on validation; NaN is not drawn.
    single_fraction : purity of all patterns.
    baselines :       models that are drawn in grey.
    kept :            what patterns of that class are called.
    """
    styles = _styles(curves, baselines)
    reached = [purity for chosen in points.values() for _, purity in chosen if np.isfinite(purity)]
    lowest = lowest_purity(reached, [float(purity.max()) for _, purity in curves.values()], single_fraction)
    with drawing(path, (8, 3.6)) as figure:
        purity_label = f"purity: {kept} of those kept (%), from {100 * lowest:g}"
        long = len(purity_label) > LONGEST_LABEL
        axes = figure.add_axes((0.105, 0.13, 0.66, 0.83) if long else (0.085, 0.13, 0.68, 0.83))
        axes.axhline(single_fraction, color=QUIET, linestyle=":", linewidth=1, label=_all_kept(single_fraction, lowest))
        for model, (found, purity) in curves.items():
            line = styles[model] | {"marker": ""}
            drawn = np.unique(np.searchsorted(found, np.linspace(0, 1, N_DRAWN)))
            axes.plot(
                100 * found[drawn], np.minimum(purity[drawn], HIGHEST_PURITY), **line, label=model.replace("_", " ")
            )
            for x, y in points.get(model, ()):
                mark = styles[model] | {"linestyle": "", "markersize": 6, "markeredgecolor": "white"}
                axes.plot(100 * x, min(y, HIGHEST_PURITY), **mark, zorder=3, clip_on=False)
        axes.plot([], [], "o", color=QUIET, markersize=6, markeredgecolor="white", label="chosen on validation")
        axes.set_yscale("logit")
        axes.set_xlim(0, 100)
        axes.set_ylim(lowest, HIGHEST_PURITY)
        ticks = [purity for purity in PURITIES if purity >= lowest]
        axes.set_yticks([*ticks, HIGHEST_PURITY], [*(f"{100 * purity:g}" for purity in ticks), "above"])
        axes.set_yticks([], minor=True)
        axes.grid(color="#e3e7eb", linewidth=0.6)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), handlelength=3, fontsize=8)
        axes.set_xlabel(f"yield: {kept} that are kept (%)")
        axes.set_ylabel(purity_label.replace(" of those", "\nof those") if long else purity_label)


def lowest_purity(reached: Sequence[float], highest: Sequence[float], single_fraction: float) -> float:
    """Where the axis of purity begins: of `LOWEST_PURITIES`, the highest with all in sight that a reader asks for.

    That are the purities of the thresholds that were chosen, and the top of every line. Of worse ones all is shown.
    """
    wanted = [*reached, *(purity - 0.02 for purity in highest)]
    return next((low for low in LOWEST_PURITIES if all(purity >= low for purity in wanted)), 0.7 * single_fraction)


def _all_kept(single_fraction: float, lowest: float) -> str:
    below = f": {100 * single_fraction:.3g} %,\nbelow this axis" if single_fraction < lowest else ""
    return f"all patterns kept{below}"


def _styles(models: Collection[str], baselines: Collection[str]) -> dict[str, dict[str, Any]]:
    styles = series_styles([model for model in models if model not in baselines])
    grey = series_styles([model for model in models if model in baselines])
    for number, (model, style) in enumerate(grey.items()):
        styles[model] = style | {"color": QUIET} | GREY[number % len(GREY)]
    return {model: style | {"markersize": 3} for model, style in styles.items()}
