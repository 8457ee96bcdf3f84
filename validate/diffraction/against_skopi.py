"""The same shots by skopi and by us, both against sums over the atoms, by resolution."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gemmi
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from frames.geometry import CLASSICAL_ELECTRON_RADIUS_M, Geometry
from report.plot.style import BLUE, INK, ORANGE
from simulate.diffraction.volume import stack
from simulate.orientation import random_orientations, rotation_matrices
from simulate.plan.shots import Shots
from simulate.skopi import engine
from simulate.skopi.detector import make_beam, make_detector
from validate.check import Finding, Measure, Table, scientific
from validate.diffraction.fringes import pixel_limit
from validate.diffraction.interpolation import plain_volume, slices
from validate.fixtures import ACCURACY, Array, Molecule, Render, exact_intensity, relative, single_hits, subpixels

PULSE = 1e12
FOCUS_UM = 0.5

SUBPIXELS, EVERY = 8, 4
"""Points along a pixel's edge over which fringes are averaged, of every so-many-th pixel along each axis."""

APART = 500.0
"""Of the centres of two particles [Å], more where they are larger: so far that fringes are blurred."""

RINGS = 12


def check(molecules: Sequence[Molecule], geometry: Geometry, render: Render, *, n: int, seed: int) -> Finding:
    """`n` single hits and a double hit of touching spheres of each molecule."""
    fluence = PULSE / (np.pi * FOCUS_UM**2)
    rng = np.random.default_rng(seed)
    orientations = random_orientations(rng, n)
    pair = random_orientations(rng, 2)
    scale = fluence * geometry.photons_per_electron2()
    edges = np.linspace(0, np.linalg.norm(geometry.q, axis=-1).max() * (1 + 1e-9), RINGS + 1)
    curves, measures, rows = {}, [], []
    for molecule in molecules:
        experiments, voxel = _experiments(molecule, geometry)
        thomson = experiments[1].det.Thomson_factor / CLASSICAL_ELECTRON_RADIUS_M**2
        made = molecule.volume(geometry.q_max)
        volume = stack([made])
        ours = render(volume, geometry, single_hits(orientations, geometry, fluence))
        origin = np.zeros((1, 3))
        theirs = np.stack([engine.shoot(experiments[1], PULSE, o[None], origin, 0)[0] for o in orientations])
        truth = np.stack([scale * exact_intensity(geometry.q, molecule.core, o[None], origin) for o in orientations])
        coarse = plain_volume(molecule.core, voxel, int(np.ceil(geometry.q_max / voxel)) + 1)
        twin = thomson * scale * np.abs(slices(coarse, geometry.q @ rotation_matrices(orientations)[:, None], 1)) ** 2

        centres = np.array([[0, 0, 0], max(APART, 2 * molecule.atoms.radius) * np.array([0.8, 0.6, 0.0])])
        shots = Shots.alike(pair[None], centres[None], np.array([fluence]), geometry.photon_energy_eV)
        our_pair = render(volume, geometry, shots)[0]
        their_pair = engine.shoot(experiments[2], PULSE, pair, centres, 0)[0]
        chosen = np.s_[::EVERY, ::EVERY]
        points = subpixels(geometry, SUBPIXELS, EVERY)
        pair_truth = scale[chosen] * exact_intensity(points, molecule.core, pair, centres).mean(axis=0)

        q = np.linalg.norm(geometry.q, axis=-1)
        curves[molecule.label] = (
            5 * (edges[1:] + edges[:-1]) / (2 * np.pi),
            {
                "skopi, one particle": by_ring(theirs, truth, q, edges),
                "ours, one particle": by_ring(ours, truth, q, edges),
                "skopi, two particles": by_ring(their_pair[chosen], pair_truth, q[chosen], edges),
                "ours, two particles": by_ring(our_pair[chosen], pair_truth, q[chosen], edges),
            },
        )
        one_of_theirs = relative(theirs, truth)
        rings = curves[molecule.label][1]
        finely = render(stack([replace(made, accuracy=1e-6)]), geometry, single_hits(orientations, geometry, fluence))
        worst = [*rings.values(), by_ring(finely, truth, q, edges)]
        rows.append((molecule.label, *(scientific(float(np.nanmax(errors)), 2) for errors in worst)))
        measures += [
            Measure(
                f"{molecule.name}: ours, one particle (skopi: {scientific(one_of_theirs)})",
                relative(ours, truth),
                ACCURACY,
                "volume.accuracy",
            ),
            Measure(
                f"{molecule.name}: photons per pattern, skopi over ours, |ratio − 1|",
                float(abs(theirs.sum() / ours.sum() - 1)),
                one_of_theirs + ACCURACY,
                "the errors of both: units, fluence and corrections are the same",
            ),
            Measure(
                f"{molecule.name}: skopi against our trilinear twin on skopi's grid",
                relative(theirs, twin),
                1e-5,
                "the twin's nodes are complex64: all of skopi's error is its interpolation",
            ),
            Measure(
                f"{molecule.name}: ours, two particles, pixels integrated "
                f"(skopi: {scientific(relative(their_pair[chosen], pair_truth))})",
                relative(our_pair[chosen], pair_truth),
                pixel_limit(geometry, centres[1], molecule.atoms) + ACCURACY,
                "what is left of the pixel's average, see the section on fringes, and volume.accuracy",
            ),
        ]
    return Finding(
        key="skopi",
        title="Beside skopi",
        text=(
            "skopi 0.6.0 renders the same shots: the same atoms, orientations, positions and pulse, its own 151³ grid, "
            "slices, phases and corrections (only its loop over atoms is replaced by a transform that agrees to 10⁻⁹). "
            "Its error and ours are those against exact sums, ring by ring: at pixel centres for one particle, "
            f"averaged over the pixel for two, {APART / 10:g} nm apart. skopi samples pixel centres, so most of its "
            "error for two is fringes that a real pixel would blur. Its classical electron radius is another in the "
            f"sixth digit: its r_e² is {scientific(1 - thomson)} below CODATA's, which the twin takes over. "
            "The accuracy that the config asks for is one of the whole pattern, in which the bright middle weighs "
            "most. Rings far out may err more: interpolating between points of the detector carries a trace of the "
            "middle outwards, which shows where a small, smooth particle is faint there. The table's last column is "
            "ours without that step's error."
        ),
        oracle=f"finufft's type 3 at pixel centres, and at {SUBPIXELS} x {SUBPIXELS} points a pixel for two particles",
        settings=(
            f"{n} single hits and one double hit a molecule (seed {seed}), {PULSE:.0e} photons on "
            f"{FOCUS_UM} µm, of two particles every {EVERY}th pixel along each axis"
        ),
        measures=tuple(measures),
        tables=(
            Table("Largest error of any ring.", ("molecule", *rings, "ours, one particle, refined to 10⁻⁶"), rows),
        ),
        draw=partial(_draw, curves=curves),
        inches=(4.2 * len(molecules) + 0.2, 3.8),
    )


def by_ring(images: NDArray, truth: NDArray, q: Array, edges: Array) -> Array:
    """Relative L2 error in each ring of |q|; NaN where no pixel lies."""
    ring = np.digitize(q, edges) - 1
    wrong, right = (np.square(a).reshape(-1, *q.shape).sum(axis=0) for a in (images - truth, truth))
    sums = [np.bincount(ring.ravel(), part.ravel(), minlength=len(edges) - 1) for part in (wrong, right)]
    with np.errstate(invalid="ignore"):
        return np.sqrt(sums[0] / sums[1])


def _experiments(molecule: Molecule, geometry: Geometry) -> tuple[dict[int, Any], float]:
    """skopi's experiments with one and two particles, and the voxels of its grid [Å⁻¹]."""
    atoms = molecule.atoms
    symbols, index = np.unique(atoms.elements, return_inverse=True)
    numbers = np.array([gemmi.Element(str(symbol)).atomic_number for symbol in symbols])[index]
    beam = make_beam(geometry.photon_energy_eV, FOCUS_UM, PULSE)
    detector = make_detector(geometry.shape[1], geometry.pixel_size_um, geometry.distance_mm, beam)
    made = engine.experiments(detector, beam, numbers, atoms.positions, atoms.occupancies, (1, 2))
    return made, 2e-10 * np.pi * float(made[1].voxel_length)


def _draw(figure: Figure, curves: dict) -> None:
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    styles = [(ORANGE, "-"), (BLUE, "-"), (ORANGE, "--"), (BLUE, "--")]
    for axes, (label, (s, parts)) in zip(panels, curves.items(), strict=True):
        for (color, line), (name, errors) in zip(styles, parts.items(), strict=True):
            axes.semilogy(s, errors, color=color, linestyle=line, marker="o", markersize=3, label=name)
        axes.axhline(ACCURACY, color=INK, linewidth=0.8, linestyle=":", label="allowed for one")
        axes.set_title(label)
        axes.set_xlabel("1 / resolution (nm⁻¹)")
    panels[0].set_ylabel("relative error of the intensity in a ring")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=5, fontsize=8)
    figure.tight_layout(rect=(0, 0, 1, 0.93))
