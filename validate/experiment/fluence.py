"""Photons per pulse, focus and fluence, and what they make of each structure."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from frames.geometry import Geometry
from report.plot.style import BLUE, QUIET
from simulate.diffraction.volume import stack
from simulate.experiment.beam import fluence, peak_fluence
from simulate.orientation import random_orientations
from simulate.plan import shots
from simulate.plan.plan import Plan
from simulate.skopi.detector import make_beam
from validate.check import Finding, Measure, Table, scientific
from validate.fixtures import ACCURACY, Array, Molecule, Render, dataset, exact_single_hits, relative, single_hits

PULSES = (1e10, 1e11, 1e12, 1e13, 1e14)
FOCUS_UM = 0.5


def check(molecules: Sequence[Molecule], geometry: Geometry, render: Render, *, n: int, seed: int) -> Finding:
    """Mean photons per pattern over `n` orientations of every structure at every pulse."""
    orientations = random_orientations(np.random.default_rng(seed), n)
    # skopi calls the photons of a pulse "fluence" and divides it by the area itself.
    theirs = make_beam(4600.0, FOCUS_UM, 1e12).get_photons_per_pulse_per_area() * 1e-12
    radius = np.linspace(0, 6 * FOCUS_UM, 60_001)
    profile = peak_fluence(1e12, FOCUS_UM, "gaussian") * np.exp(-2 * radius**2 / FOCUS_UM**2)
    caught = float(np.trapezoid(2 * np.pi * radius * profile, radius))
    drawn = [float(shots.draw(_one_row(), dataset(pulse)).fluence[0]) for pulse in PULSES]
    per_photon = 1 / (np.pi * FOCUS_UM**2)
    totals: dict[str, Array] = {}
    linear = []
    for molecule in molecules:
        volume = stack([molecule.volume(geometry.q_max)])
        unit = render(volume, geometry, single_hits(orientations, geometry)).sum(axis=(1, 2), dtype=np.float64)
        bright = render(volume, geometry, single_hits(orientations[:1], geometry, drawn[-1]))
        linear.append(abs(float(bright.sum(dtype=np.float64)) / (drawn[-1] * unit[0]) - 1))
        totals[molecule.name] = np.outer(unit, drawn)
    first = molecules[0]
    by_sum = exact_single_hits(geometry, first.core, orientations[:2]).sum(axis=(1, 2)) * drawn[2]
    measures = (
        Measure(
            "fluence of 10¹² photons on a disc of 0.5 µm against N/(π r²), relative difference",
            abs(fluence(1e12, FOCUS_UM) / (1e12 * per_photon) - 1),
            1e-12,
            "float64",
        ),
        Measure("the same against skopi's beam", abs(fluence(1e12, FOCUS_UM) / theirs - 1), 1e-12, "float64"),
        Measure(
            "photons of the Gaussian focus, integrated over the plane, over those of the pulse, |ratio − 1|",
            abs(caught / 1e12 - 1),
            1e-6,
            "trapezoids of 5 × 10⁻⁵ µm; exp(−72) is left out",
        ),
        Measure(
            "fluence of shots at 10¹⁰ to 10¹⁴ photons per pulse over N/(π r²), largest |ratio − 1|",
            float(np.abs(np.array(drawn) * np.pi * FOCUS_UM**2 / PULSES - 1).max()),
            1e-12,
            "no jitter: float64",
        ),
        Measure(
            "photons rendered at 10¹⁴ over those at unit fluence, scaled, largest |ratio − 1|",
            max(linear),
            1e-5,
            "photons are linear in the fluence; float32, sums of 16,384 pixels",
        ),
        Measure(
            f"{first.name}: photons per pattern against exact sums",
            relative(totals[first.name][:2, 2], by_sum),
            ACCURACY,
            "volume.accuracy",
        ),
    )
    rows = [
        (
            molecule.label,
            f"{molecule.atoms.electrons / 1e3:,.0f}",
            *(scientific(float(value), 3) for value in totals[molecule.name].mean(axis=0)),
            f"{100 * totals[molecule.name][:, 0].std() / totals[molecule.name][:, 0].mean():.1f} %",
        )
        for molecule in molecules
    ]
    table = Table(
        f"Mean photons per pattern of a single hit, over {n} orientations, at so many photons per pulse on a disc of "
        f"radius {FOCUS_UM} µm; the whole detector counts, without a beamstop; the spread is over orientations.",
        ("structure", "10³ electrons", *(scientific(pulse, 1) for pulse in PULSES), "spread"),
        rows,
    )
    return Finding(
        key="fluence",
        title="Photons per pulse, focus, fluence",
        text=(
            "Photons per pulse and the focus are settings; photons per µm² follow from them in one place "
            "(simulate/experiment/beam.py) and nowhere else: N/(π r²) for a uniform disc, twice that on the axis of a "
            "Gaussian focus of 1/e² radius r. The figure shows the table below: photons in the pattern of a single "
            "hit, for pulses of 10¹⁰ photons (left) to 10¹⁴ (right)."
        ),
        oracle="N/(π r²), skopi's beam, the integral of the focus, exact sums over the atoms",
        settings=(
            f"{len(molecules)} structures in {n} orientations (seed {seed}), "
            f"{geometry.shape[0]} x {geometry.shape[1]} pixels"
        ),
        measures=measures,
        draw=partial(_draw, totals={molecule.name: totals[molecule.name].mean(axis=0) for molecule in molecules}),
        inches=(6.4, 1.2 + 0.22 * len(molecules)),
        tables=(table,),
    )


def _one_row() -> Plan:
    """A plan of one single hit."""
    return Plan(
        table=pd.DataFrame({"seed": np.zeros(1, np.uint64)}),
        start=np.array([0, 1]),
        species=np.zeros(1, np.int64),
        orientations=np.array([[1.0, 0, 0, 0]]),
        positions=np.zeros((1, 3)),
    )


def _draw(figure: Figure, totals: dict[str, Array]) -> None:
    axes = figure.add_subplot()
    names = sorted(totals, key=lambda name: totals[name][0])
    photons = np.array([totals[name] for name in names])
    axes.hlines(range(len(names)), photons[:, 0], photons[:, -1], color=QUIET, linewidth=0.6)
    axes.semilogx(photons, range(len(names)), "o", color=BLUE, markersize=4.5)
    for pulse, last in zip(PULSES, photons[-1], strict=True):
        label = f"{scientific(pulse, 1)} per pulse" if pulse == PULSES[-1] else scientific(pulse, 1)
        axes.text(last, len(names) - 0.5, label, ha="center", va="bottom", size=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) + 0.2)
    axes.set_xlim(right=float(photons.max()) * 8)
    axes.set_xlabel("photons per pattern")
    figure.tight_layout()
