"""How near particles of a shot lie, for each model of placement."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from scipy import stats
from scipy.spatial import cKDTree

from report.plot.style import BLUE, ORANGE
from simulate.orientation import rotation_matrices
from simulate.plan.config import PlanConfig
from simulate.plan.placement import MODELS
from simulate.plan.plan import Plan
from validate.check import Finding, Measure, Table
from validate.fixtures import Array, Molecule

FALSE_ALARM = 1e-4

WITHIN = 20.0
"""Atoms are looked for as far as this [Å]; where none is found the distance counts as infinite."""

ATOMS_OF = 400
"""Shots of which all distances between atoms are looked at."""

SPHERES = ("ballistic", "random_contact")


def check(molecules: Sequence[Molecule], plans: Mapping[str, Plan], config: PlanConfig) -> Finding:
    """Distances in plans of every model, of the molecules in their order.

    Parameters
    ----------
    plans : model -> what `plan.draw` made of `config`.
    """
    radii = np.array([molecule.atoms.radius for molecule in molecules])
    atoms = [molecule.atoms.positions for molecule in molecules]
    nearest = {model: _nearest_centres(plans[model], radii) for model in MODELS}
    touching = _nearest_atoms(plans["surface_contact"].rows(slice(ATOMS_OF)), atoms)
    contact = config.placement.contact_distance_angstrom
    measures = [
        Measure(
            f"{model}: |distance to the nearest centre over the sum of radii − 1|, largest",
            float(np.abs(nearest[model] - 1).max()),
            1e-9,
            "spheres touch: every sphere its nearest, none overlaps; float64",
        )
        for model in SPHERES
    ]
    measures += [
        Measure(
            "surface_contact: |nearest atoms of two particles − contact distance|, largest of "
            f"{len(touching)} particles [Å]",
            float(np.abs(touching - contact).max()),
            1e-9,
            f"placement.contact_distance_angstrom = {contact:g}: the first atoms to meet, and none nearer; float64",
        ),
        Measure(
            "surface_contact: nearest centre over the sum of radii, largest",
            float(nearest["surface_contact"].max()),
            1 + contact / (2 * radii.min()),
            "atoms lie inside their spheres: no further apart than those and the contact distance",
        ),
        Measure(
            "dispersed: nearest centre over the sum of radii, smallest",
            float(nearest["dispersed"].min()),
            1.0,
            "spheres do not overlap",
            at_least=True,
        ),
    ]
    length = config.placement.dispersion_radius_um * 1e4
    x, y, z = plans["dispersed"].positions[plans["dispersed"].start[:-1]].T / length
    for name, values, uniform in (("(r/R)²", x**2 + y**2, (0, 1)), ("z/R", z, (-1, 2))):
        measures.append(
            Measure(
                f"dispersed: {name} of the first particle, p value of Kolmogorov & Smirnov",
                float(stats.kstest(values, stats.uniform(*uniform).cdf).pvalue),
                FALSE_ALARM,
                f"uniform in the cylinder; chance {FALSE_ALARM:g}",
                at_least=True,
            )
        )
    rows = [
        (model, f"{np.median(nearest[model]):.3g}", f"{nearest[model].min():.3g}", f"{nearest[model].max():.3g}")
        for model in MODELS
    ]
    return Finding(
        key="contacts",
        title="How near particles lie",
        text=(
            "Distance from a particle's centre to the nearest other centre of its shot, over the sum of their bounding "
            "radii. Bounding spheres in contact (ballistic, as skopi; random_contact) are at exactly 1. What sticks in "
            "reality are surfaces: molecules that touch with their atoms come much closer, the less like a ball they "
            "are the more. Dispersed particles are far apart. Note the scales."
        ),
        oracle="geometry: the radii, and all distances between atoms (k-d trees)",
        settings=(
            f"{', '.join(molecule.label for molecule in molecules)}; plan seed {config.seed}, multiplicities "
            f"{', '.join(map(str, config.hit_multiplicities))}, {config.patterns_per_class} rows a class; dispersion "
            f"radius {config.placement.dispersion_radius_um:g} µm"
        ),
        measures=tuple(measures),
        draw=partial(_draw, nearest=nearest),
        inches=(8.6, 2.9),
        tables=(Table("Nearest centre over the sum of radii.", ("model", "median", "smallest", "largest"), rows),),
    )


def _nearest_centres(plan: Plan, radii: Array) -> Array:
    """Of each particle that has company: distance to another centre over the sum of radii, the least."""
    found = []
    for begin, end in zip(plan.start[:-1], plan.start[1:], strict=True):
        if end - begin < 2:
            continue
        centres, own = plan.positions[begin:end], radii[plan.species[begin:end]]
        gaps = np.linalg.norm(centres[:, None] - centres, axis=-1) / (own[:, None] + own)
        np.fill_diagonal(gaps, np.inf)
        found.append(gaps.min(axis=1))
    return np.concatenate(found)


def _nearest_atoms(plan: Plan, atoms: Sequence[Array]) -> Array:
    """Of each particle but the first of its shot: least distance of atoms to those of earlier particles [Å]."""
    found = []
    for begin, end in zip(plan.start[:-1], plan.start[1:], strict=True):
        if end - begin < 2:
            continue
        rotations = rotation_matrices(plan.orientations[begin:end])
        placed = [
            atoms[species] @ rotation.T + position
            for species, rotation, position in zip(
                plan.species[begin:end], rotations, plan.positions[begin:end], strict=True
            )
        ]
        found += [
            cKDTree(np.concatenate(placed[:number])).query(particle, distance_upper_bound=WITHIN)[0].min()
            for number, particle in enumerate(placed)
            if number
        ]
    return np.array(found)


def _draw(figure: Figure, nearest: dict) -> None:
    panels = figure.subplots(1, len(nearest))
    for axes, (model, values) in zip(panels, nearest.items(), strict=True):
        # Spheres in contact lie at 1, give or take float64: in the middle of a bin.
        bins = np.arange(0.02, 1.33, 0.04) if values.max() < 1.3 else np.linspace(0, values.max(), 41)
        axes.axvline(1, color=ORANGE, linewidth=1, label="spheres\nin contact")
        axes.hist(values, bins, color=BLUE, alpha=0.5)
        axes.set_title(model)
        axes.set_xlim(0, bins[-1])
    panels[0].set_ylabel("particles")
    panels[0].legend(loc="upper left", fontsize=8, handlelength=1)
    figure.supxlabel("distance to the nearest centre / sum of the radii", fontsize=9)
    figure.tight_layout()
