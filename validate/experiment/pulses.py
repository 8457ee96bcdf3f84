"""What differs from pulse to pulse: photons, where in the focus the particle is, photon energy, beam position."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from report.plot.style import BLUE, ORANGE
from simulate.experiment.beam import JITTER_CUT, peak_fluence
from simulate.experiment.config import FluenceJitterConfig
from simulate.plan import shots
from simulate.plan.plan import Plan
from validate.check import Finding, Measure
from validate.fixtures import Array, dataset

FALSE_ALARM = 1e-4

SIGMA = 0.9
FLOOR = 0.1


def check(*, n: int, seed: int) -> Finding:
    """`n` shots of every kind of jitter."""
    seeds = np.random.default_rng(seed).integers(0, 2**64, size=n, dtype=np.uint64)
    plan = Plan(
        table=pd.DataFrame({"seed": seeds}),
        start=np.arange(n + 1),
        species=np.zeros(n, np.int64),
        orientations=np.tile([1.0, 0, 0, 0], (n, 1)),
        positions=np.zeros((n, 3)),
    )
    cut = stats.truncnorm(-JITTER_CUT, JITTER_CUT)
    normal = shots.pulse_factors(seeds, FluenceJitterConfig(model="normal", sigma=SIGMA, floor=FLOOR))
    gaussian = shots.draw(plan, dataset(focus_profile="gaussian", focus_radius_um=0.5))
    jittered = shots.draw(plan, dataset(energy_jitter=0.01, centre_jitter_um=300.0))
    log_variance = np.log1p(SIGMA**2)
    kinds = {
        # name: values, what the numbers follow, what they are called on the axis
        f"normal N(1, {SIGMA:g}) above zero": (
            normal[normal != FLOOR],
            stats.truncnorm(-1 / SIGMA, np.inf, loc=1, scale=SIGMA),
            "pulse over the nominal one",
        ),
        f"gamma, σ = {SIGMA:g}": (
            shots.pulse_factors(seeds, FluenceJitterConfig(model="gamma", sigma=SIGMA)),
            stats.gamma(SIGMA**-2, scale=SIGMA**2),
            "pulse over the nominal one",
        ),
        f"lognormal, σ = {SIGMA:g}": (
            shots.pulse_factors(seeds, FluenceJitterConfig(model="lognormal", sigma=SIGMA)),
            stats.lognorm(np.sqrt(log_variance), scale=np.exp(-log_variance / 2)),
            "pulse over the nominal one",
        ),
        "Gaussian focus": (
            gaussian.fluence / peak_fluence(1e12, 0.5, "gaussian"),
            stats.loguniform(np.exp(-2), 1),
            "fluence over that on the axis",
        ),
        "photon energy, 1 %": (
            (jittered.photon_energy_eV / 4600 - 1) / 0.01,
            cut,
            "deviation in standard deviations",
        ),
        "beam position along x": (jittered.beam_centre[:, 0] / 0.5, cut, "deviation in standard deviations"),
        "beam position along y": (jittered.beam_centre[:, 1] / 0.5, cut, "deviation in standard deviations"),
    }
    smallest = FALSE_ALARM / len(kinds)
    measures = [
        Measure(
            f"{name}: p value of Kolmogorov & Smirnov",
            float(stats.kstest(values, law.cdf).pvalue),
            smallest,
            f"chance {FALSE_ALARM:g} over all {len(kinds)}",
            at_least=True,
        )
        for name, (values, law, _) in kinds.items()
    ]
    z = float(stats.norm.isf(FALSE_ALARM / 2))
    below = stats.norm.cdf(-1 / SIGMA)
    measures.append(
        Measure(
            f"normal: share of pulses at the floor of {FLOOR:g}, deviation from {below:.4f} in standard errors",
            float(abs(np.mean(normal == FLOOR) - below) / np.sqrt(below * (1 - below) / n)),
            z,
            f"binomial, chance {FALSE_ALARM:g}",
        )
    )
    for name in list(kinds)[1:3]:
        values = kinds[name][0]
        measures.append(
            Measure(
                f"{name}: |mean − 1| in standard errors",
                float(abs(values.mean() - 1) / (SIGMA / np.sqrt(n))),
                z,
                f"normal, chance {FALSE_ALARM:g}: the nominal pulse is the mean one",
            )
        )
    columns = [values for values, _, _ in kinds.values() if len(values) == n]
    correlations = np.corrcoef(columns[2:])  # the fluence's models share one stream, and so their luck
    off = np.abs(correlations - np.eye(len(correlations))).max() * np.sqrt(n)
    measures.append(
        Measure(
            "largest correlation between focus, energy, x and y, in standard errors",
            float(off),
            float(stats.norm.isf(FALSE_ALARM / 12)),
            f"normal, chance {FALSE_ALARM:g} over all six",
        )
    )
    mean = float(stats.norm.cdf(1 / SIGMA) + SIGMA * stats.norm.pdf(1 / SIGMA) + FLOOR * below)
    return Finding(
        key="pulses",
        title="From pulse to pulse",
        text=(
            "Histograms: drawn; lines: the laws they are meant to follow. Gamma and lognormal have mean 1. The "
            f"poster's normal jitter does not: what falls at or below zero ({100 * below:.1f} % of the pulses, not "
            f"drawn) becomes {FLOOR:g}, which lifts the mean to {mean:.3f}. In a Gaussian focus hits lie evenly in the "
            "disc of the 1/e² radius, so the logarithm of the fluence is uniform, between e⁻² and 1. Energy and beam "
            f"position are cut at {JITTER_CUT:g} standard deviations, so that volumes know how far to reach."
        ),
        oracle="the distributions, by Kolmogorov & Smirnov",
        settings=f"{n:,} shots, seeds drawn from {seed}",
        measures=tuple(measures),
        draw=partial(_draw, kinds={name: kinds[name] for name in list(kinds)[:6]}),
        inches=(8.6, 4.8),
    )


def _draw(figure: Figure, kinds: dict[str, tuple[Array, stats.rv_continuous, str]]) -> None:
    panels = figure.subplots(2, 3).ravel()
    for axes, (name, (values, law, quantity)) in zip(panels, kinds.items(), strict=True):
        low, high = law.ppf(0.0), law.ppf(1.0) if np.isfinite(law.ppf(1.0)) else law.ppf(0.995)
        x = np.linspace(low, high, 300)[1:-1]
        counts, edges = np.histogram(values, 50, range=(low, high))
        axes.stairs(counts / (len(values) * np.diff(edges)), edges, fill=True, color=BLUE, alpha=0.4)
        axes.plot(x, law.pdf(x), color=ORANGE)
        axes.set_title(name)
        axes.set_xlabel(quantity)
        axes.set_ylim(0, 1.15 * np.max(counts) / (len(values) * (edges[1] - edges[0])))
    for axes in panels[::3]:
        axes.set_ylabel("density")
    figure.tight_layout()
