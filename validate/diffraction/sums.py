"""The transforms, held against the definition: Σ f exp(i q·r), term by term."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from frames.geometry import Geometry
from report.plot.style import BLUE, GREEN, ORANGE, QUIET
from simulate.diffraction.patterns import field_at
from simulate.diffraction.volume import SPLINE_MARGIN, exact_field, stack
from simulate.orientation import random_orientations, rotation_matrices
from validate.check import Finding, Measure
from validate.fixtures import ACCURACY, Molecule, Render, plain_field, relative, single_hits


def check(molecules: Sequence[Molecule], geometry: Geometry, render: Render, *, n_points: int, seed: int) -> Finding:
    """Type 3, the grid's nodes, slices and whole renderings at `n_points` random pixels of one orientation."""
    rng = np.random.default_rng(seed)
    orientation = random_orientations(rng, 1)
    rotation = rotation_matrices(orientation)[0]
    pixels = rng.choice(geometry.mask.size, n_points, replace=False)
    points = geometry.q.reshape(-1, 3)[pixels] @ rotation
    q = np.linalg.norm(points, axis=1)
    scatter, measures = {}, []
    for molecule in molecules:
        core, volume = molecule.core, molecule.volume(geometry.q_max)
        positions, occupancies, species, table = core
        plain = plain_field(points, core)
        half = volume.n // 2
        index = rng.integers([0, -half, -half], [half + 1] * 3, size=(n_points, 3))
        compensated = occupancies / np.prod(np.sinc(positions * (volume.spacing / (2 * np.pi))), axis=1) ** 3
        nodes = plain_field(np.asarray(index * volume.spacing, np.float64), (positions, compensated, species, table))
        stored = volume.field[tuple((index + np.array([SPLINE_MARGIN, half, half])).T)]
        image = render(stack([volume]), geometry, single_hits(orientation, geometry))[0].ravel()[pixels]
        exact = geometry.photons_per_electron2().ravel()[pixels] * np.abs(plain) ** 2
        type3, sliced = exact_field(points, *core), field_at(volume, points)
        scatter[molecule.label] = {
            "|F|": (q, np.abs(plain)),
            "error of slices": (q, np.abs(sliced - plain)),
            "error of the grid's nodes": (np.linalg.norm(index, axis=1) * volume.spacing, np.abs(stored - nodes)),
            "error of type 3": (q, np.abs(type3 - plain)),
        }
        measures += [
            Measure(
                f"{molecule.name}: type 3 against plain sums",
                relative(type3, plain),
                1e-8,
                "ten times the 10⁻⁹ that finufft is asked for: its error is of that order, no bound",
            ),
            Measure(
                f"{molecule.name}: nodes of the volume against plain sums",
                relative(stored, nodes),
                2**-24 * (len(table) + 1) + 1e-7,
                "complex64, once for each element and once in all, and ten times the 10⁻⁸ asked of finufft's type 1",
            ),
            Measure(
                f"{molecule.name}: photons of the rendering against plain sums",
                relative(image, exact),
                ACCURACY,
                "volume.accuracy",
            ),
        ]
    return Finding(
        key="sums",
        title="Plain sums over the atoms",
        text=(
            "Most of this page trusts finufft's type 3 transform as the truth. Here it is held itself against the "
            "definition, Σ f exp(i q·r) in float64, one term per atom and pixel; and so are the nodes of the grid and "
            "whole renderings. The figure shows amplitudes in electrons: grey is |F| itself, and what is below it is "
            "error, at random pixels and random nodes."
        ),
        oracle="the definition, summed term by term in float64",
        settings=f"{n_points:,} random pixels of one random orientation and as many random nodes (seed {seed})",
        measures=tuple(measures),
        draw=partial(_draw, scatter=scatter),
        inches=(4.2 * len(molecules) + 0.2, 3.7),
    )


def _draw(figure: Figure, scatter: dict) -> None:
    panels = figure.subplots(1, len(scatter), squeeze=False, sharey=True)[0]
    for axes, (label, parts) in zip(panels, scatter.items(), strict=True):
        for color, (name, (q, values)) in zip((QUIET, BLUE, GREEN, ORANGE), parts.items(), strict=True):
            axes.semilogy(q, np.maximum(values, 1e-12), ".", color=color, markersize=2.5, label=name, rasterized=True)
        axes.set_title(label)
        axes.set_xlabel("q (Å⁻¹)")
    panels[0].set_ylabel("electrons")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=4, fontsize=8, markerscale=4)
    figure.tight_layout(rect=(0, 0, 1, 0.93))
