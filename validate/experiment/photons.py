"""Photon counts: Poisson's mean, variance and shape, and nothing in common between pixels or patterns."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from report.plot.style import BLUE, INK, ORANGE, QUIET
from validate.check import Finding, Measure
from validate.fixtures import Array

Sample = Callable[[NDArray[np.float32], NDArray[np.uint64]], NDArray[np.uint16]]
"""Photons (n, ny, nx) from expected photons and seeds (n,): `detector.sample_photons`."""

FALSE_ALARM = 1e-4
"""Chance that a right sampler would fail a limit, over all means."""

SHAPES_AT = (0.01, 0.3, 3.0, 30.0, 300.0)
"""Means at which the whole distribution is tested, and the correlations."""


def check(sample: Sample, *, means: Sequence[float], shape: tuple[int, int, int], seed: int) -> Finding:
    """Flat patterns of each mean, `shape` (n, ny, nx) of them; seeds of the patterns follow each other."""
    count = int(np.prod(shape))
    z = float(stats.norm.isf(FALSE_ALARM / (2 * len(means))))

    def drawn(number: int, mean: float) -> NDArray[np.uint16]:
        first = seed + 1000 * number  # seeds of one mean's own: the same seeds would have the same luck
        return sample(np.full(shape, mean, np.float32), np.arange(first, first + shape[0], dtype=np.uint64))

    mean_off, variance_off, ratios = [], [], []
    for number, mean in enumerate(means):
        value = float(np.float32(mean))
        photons = drawn(number, mean).astype(np.float64)
        # Of N Poisson numbers the mean varies by m/N, the sample variance by μ₄/N − m²(N−3)/N(N−1), μ₄ = m + 3m².
        mean_off.append((photons.mean() - value) / np.sqrt(value / count))
        spread = np.sqrt((value + 3 * value**2) / count - value**2 * (count - 3) / (count * (count - 1)))
        variance_off.append((photons.var(ddof=1) - value) / spread)
        ratios.append((photons.mean() / value, photons.var(ddof=1) / value, np.sqrt(1 / value / count), spread / value))
    counts = {mean: drawn(len(means) + number, mean) for number, mean in enumerate(SHAPES_AT)}
    p_values = [_goodness(sampled, float(np.float32(mean))) for mean, sampled in counts.items()]
    correlations = {f"{mean:g}": _correlations(sampled) for mean, sampled in counts.items()}
    largest = max(abs(r) * np.sqrt(n) for parts in correlations.values() for r, n in parts.values())
    n_correlations = sum(len(parts) for parts in correlations.values())
    chance = f"normal, chance {FALSE_ALARM:g} over all"
    measures = (
        Measure("mean: largest deviation, in standard errors", float(np.abs(mean_off).max()), z, chance + " means"),
        Measure(
            "variance: largest deviation, in standard errors", float(np.abs(variance_off).max()), z, chance + " means"
        ),
        Measure(
            f"counts against the Poisson distribution at {', '.join(f'{m:g}' for m in SHAPES_AT)} photons: smallest "
            "p value of χ²",
            min(p_values),
            FALSE_ALARM / len(SHAPES_AT),
            f"chance {FALSE_ALARM:g} over all",
            at_least=True,
        ),
        Measure(
            "largest correlation of neighbours (right, below, next pattern), in standard errors",
            float(largest),
            float(stats.norm.isf(FALSE_ALARM / (2 * n_correlations))),
            chance + " pairs",
        ),
    )
    return Finding(
        key="photons",
        title="Photons are Poisson's",
        text=(
            "Flat patterns of means from a thousandth of a photon to ten thousand are sampled. Left: sample mean and "
            "variance over the true mean; the bands are three standard errors. Right: correlations of a pixel with its "
            "neighbour to the right, below, and at the same place of the next pattern, whose seed is the next number; "
            "the band is three standard errors. Correlated on purpose are patterns of one seed at two fluences: "
            "they keep their luck, so that fluences can be compared shot by shot."
        ),
        oracle="the Poisson distribution: mean, variance and its standard error, χ² of the counts",
        settings=(
            f"{shape[0]} patterns of {shape[1]} x {shape[2]} pixels a mean, seeds from {seed} for the first mean, "
            f"from {seed + 1000} for the next, and so on"
        ),
        measures=measures,
        draw=partial(_draw, means=means, ratios=np.array(ratios), correlations=correlations),
        inches=(8.6, 3.5),
    )


def _goodness(photons: NDArray[np.uint16], mean: float) -> float:
    """p value of χ² between counts and the Poisson distribution, in bins that expect at least ten."""
    low, high = stats.poisson(mean).interval(1 - 20 / photons.size)
    edges = np.arange(max(low, 0), high + 2) - 0.5
    edges[0], edges[-1] = -0.5, np.inf
    cdf = stats.poisson(mean).cdf(np.concatenate([[-1], edges[1:]]))
    expected = photons.size * np.diff(cdf)
    seen = np.histogram(photons, np.minimum(edges, 2.0**17))[0]
    while len(expected) > 2 and expected[0] < 10:
        expected, seen = _merged(expected), _merged(seen)
    while len(expected) > 2 and expected[-1] < 10:
        expected, seen = _merged(expected[::-1])[::-1], _merged(seen[::-1])[::-1]
    return float(stats.chisquare(seen, expected).pvalue)


def _merged(bins: NDArray) -> NDArray:
    return np.concatenate([[bins[0] + bins[1]], bins[2:]])


def _correlations(photons: NDArray[np.uint16]) -> dict[str, tuple[float, int]]:
    """Correlation of neighbours, and how many pairs there were."""
    x = photons.astype(np.float64)
    pairs = {
        "right": (x[:, :, 1:], x[:, :, :-1]),
        "below": (x[:, 1:], x[:, :-1]),
        "next pattern": (x[1:], x[:-1]),
    }
    return {name: (float(np.corrcoef(a.ravel(), b.ravel())[0, 1]), a.size) for name, (a, b) in pairs.items()}


def _draw(figure: Figure, means: Sequence[float], ratios: Array, correlations: dict) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for name, color, column, shift in (("mean", ORANGE, 0, 0.93), ("variance", BLUE, 1, 1.07)):
        left.fill_between(
            means, 1 - 3 * ratios[:, column + 2], 1 + 3 * ratios[:, column + 2], color=color, alpha=0.13, lw=0
        )
        left.semilogx(np.array(means) * shift, ratios[:, column], "o", color=color, markersize=3.5, label=name)
    left.axhline(1, color=QUIET, linewidth=0.6)
    left.set_xlabel("expected photons in a pixel")
    left.set_ylabel("sampled over expected")
    left.legend(fontsize=8)
    names = list(correlations)
    for offset, (kind, color) in enumerate((("right", BLUE), ("below", ORANGE), ("next pattern", INK))):
        values = [correlations[name][kind][0] for name in names]
        right.plot(np.arange(len(names)) + 0.2 * (offset - 1), values, "o", color=color, markersize=4, label=kind)
    error = 3 / np.sqrt(min(n for parts in correlations.values() for _, n in parts.values()))
    right.axhspan(-error, error, color=BLUE, alpha=0.1, linewidth=0)
    right.axhline(0, color=QUIET, linewidth=0.6)
    right.set_ylim(-2 * error, 2 * error)
    right.set_xticks(range(len(names)), names)
    right.set_xlabel("expected photons in a pixel")
    right.set_ylabel("correlation with the neighbour")
    right.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)
    right.legend(fontsize=8, ncols=3, loc="lower center", handletextpad=0, columnspacing=0.8)
    figure.tight_layout()
