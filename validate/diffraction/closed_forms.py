"""Patterns that are known by formula: one atom, two atoms, a filled ball, and any molecule in the mean."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist

from frames.geometry import Geometry
from report.plot.style import BLUE, INK, ORANGE, QUIET
from simulate.diffraction.volume import stack, sufficient_volume
from simulate.molecules.form_factors import coefficients, form_factor
from simulate.orientation import random_orientations, rotation_matrices
from validate.check import Finding, Measure
from validate.fixtures import (
    ACCURACY,
    IDENTITY,
    Array,
    Core,
    Molecule,
    Render,
    atom_limit,
    atom_volume,
    factor,
    single_hits,
)

ELEMENTS = {"C": 6, "N": 7, "O": 8, "S": 16, "Fe": 26}
"""Atomic numbers."""

BOND = 60.0
"""Distance of the two atoms [Å]."""

BIN = 0.002
"""Of distances between atoms [Å]."""

FALSE_ALARM = 1e-4
"""Chance that a right simulation would fail a statistical limit, over all rings of a curve."""


def check(
    molecule: Molecule,
    geometry: Geometry,
    render: Render,
    *,
    balls: int,
    ball_radius: float,
    ball_atoms: int,
    n: int,
    seed: int,
) -> Finding:
    """Four panels.

    Parameters
    ----------
    balls : random balls of `ball_atoms` atoms, whose intensities are averaged.
    n :     orientations over which the molecule is averaged.
    """
    rng = np.random.default_rng(seed)
    q = np.linalg.norm(geometry.q, axis=-1)
    atoms, atom_error = _atoms(geometry, render, q)
    two, two_error = _two_atoms(geometry, render, rng)
    ball, ball_limit = _balls(geometry, render, q, rng, balls, ball_radius, ball_atoms)
    debye, debye_limit = _debye(molecule, geometry, render, q, rng, n)
    f0 = max(abs(float(form_factor(coefficients([e])[0], np.zeros(1))[0]) / z - 1) for e, z in ELEMENTS.items())
    measures = (
        Measure(
            "form factors at q = 0 over the number of electrons, largest |ratio − 1|",
            f0,
            1e-3,
            "Waasmaier & Kirfel fit free atoms to about 10⁻³ electrons; f(0) = Z",
        ),
        Measure(
            "one atom: largest relative error of any pixel, five elements",
            atom_error,
            max(atom_limit(element, q) for element in ELEMENTS),
            "the spline over the form factor's curvature, h²/4 · ∇²f / f, the refinement's 2 × 10⁻⁵ and float32",
        ),
        Measure(
            "two atoms: relative error of the pattern, 2f²(1 + cos q·d)",
            two_error,
            np.sqrt(2) * ACCURACY,
            "√2 times volume.accuracy: with an inversion centre F is real, and the aliases' errors add in phase",
        ),
        Measure(
            "filled ball: |mean of the rings − formula| in standard errors, largest ring",
            _in_standard_errors(*ball[1:]),
            ball_limit,
            f"Student's t of {balls} balls, chance {FALSE_ALARM:g} over all rings, beyond volume.accuracy",
        ),
        Measure(
            f"{molecule.name}: |mean of the rings − Debye's formula| in standard errors, largest ring",
            _in_standard_errors(*debye[1:]),
            debye_limit,
            f"Student's t of {n} orientations, chance {FALSE_ALARM:g} over all rings, beyond volume.accuracy",
        ),
    )
    return Finding(
        key="closed_forms",
        title="What formulas know",
        text=(
            "Intensities in electrons², the pixels' corrections divided out; dots are rendered, lines are formulas. "
            f"One atom: f(q)². Two carbon atoms {BOND / 10:g} nm apart in one molecule, a row of the detector: "
            "2f²(1 + cos q·d). A filled ball of atoms thrown at random, ring averages: f² [N + N(N − 1) Φ²] with "
            "Φ = 3 (sin x − x cos x)/x³, x = qR; the first term is the graininess of atoms. A molecule in the mean "
            "over orientations: Debye's Σ f_i f_j sin(q r_ij)/(q r_ij) over all pairs of its atoms, which needs "
            "volume, slicing and orientations to be right together."
        ),
        oracle="the formulas above, form factors of Waasmaier & Kirfel (1995)",
        settings=(
            f"{balls} balls of {ball_atoms:,} atoms, radius {ball_radius / 10:g} nm; {molecule.label} in {n} "
            f"orientations; seed {seed}"
        ),
        measures=measures,
        draw=partial(_draw, atoms=atoms, two=two, ball=ball, debye=debye, name=molecule.label),
        inches=(8.4, 6.2),
    )


def _electrons2(image: Array, geometry: Geometry) -> Array:
    return np.asarray(image, np.float64) / geometry.photons_per_electron2()


def _atoms(geometry: Geometry, render: Render, q: Array) -> tuple[dict[str, tuple[Array, Array, Array]], float]:
    curves, worst = {}, 0.0
    for element in ELEMENTS:
        volume = stack([atom_volume(element, geometry.q_max)])
        seen = _electrons2(render(volume, geometry, single_hits(IDENTITY[None], geometry))[0], geometry)
        formula = factor(element, geometry.q) ** 2
        worst = max(worst, float(np.abs(seen / formula - 1).max()))
        n = geometry.shape[0]
        diagonal = np.arange(n // 2, n)
        curves[element] = q[diagonal, diagonal], seen[diagonal, diagonal], formula[diagonal, diagonal]
    return curves, worst


def _two_atoms(
    geometry: Geometry, render: Render, rng: np.random.Generator
) -> tuple[tuple[Array, Array, Array], float]:
    positions = np.array([[0.5, 0, 0], [-0.5, 0, 0]]) * BOND
    core: Core = positions, np.ones(2), np.zeros(2, np.int64), coefficients(["C"])
    orientation = random_orientations(rng, 1)
    # A molecule that is all rim: the pipeline's estimate, made for the rim, chooses its grid.
    made = stack([sufficient_volume(*core, q_max=geometry.q_max, accuracy=ACCURACY, max_grid=601)])
    seen = _electrons2(render(made, geometry, single_hits(orientation, geometry))[0], geometry)
    bond = rotation_matrices(orientation)[0] @ (positions[0] - positions[1])
    formula = 2 * factor("C", geometry.q) ** 2 * (1 + np.cos(geometry.q @ bond))
    middle = geometry.shape[0] // 2
    curve = geometry.q[middle, :, 0], seen[middle], formula[middle]
    return curve, float(np.linalg.norm(seen - formula) / np.linalg.norm(formula))


def _ring_means(images: Array, q: Array, rings: int) -> tuple[Array, Array, Array]:
    """Index of each pixel's ring, mean q of the rings, and (n, rings) means of images (n, ny, nx)."""
    ring = np.minimum((q / q.max() * rings).astype(int), rings - 1).ravel()
    count = np.bincount(ring, minlength=rings)
    means = np.stack([np.bincount(ring, image.ravel(), minlength=rings) / count for image in images])
    return ring, np.bincount(ring, q.ravel(), minlength=rings) / count, means


def _mean(means: Array) -> tuple[Array, Array, float]:
    """Mean and standard error over the first axis, and the largest |t| that chance allows over all rings."""
    n, rings = means.shape
    error = means.std(axis=0, ddof=1) / np.sqrt(n)
    return means.mean(axis=0), error, float(stats.t.isf(FALSE_ALARM / (2 * rings), n - 1))


def _in_standard_errors(mean: Array, formula: Array, error: Array) -> float:
    """What of the largest |mean − formula| the volume's accuracy does not allow, in standard errors."""
    return float(np.max(np.maximum(np.abs(mean - formula) - ACCURACY * formula, 0) / error))


def _balls(
    geometry: Geometry, render: Render, q: Array, rng: np.random.Generator, balls: int, radius: float, n_atoms: int
) -> tuple[tuple[Array, Array, Array, Array], float]:
    images = []
    for _ in range(balls):
        directions = rng.standard_normal((n_atoms, 3))
        lengths = radius * rng.uniform(size=(n_atoms, 1)) ** (1 / 3)
        positions = directions / np.linalg.norm(directions, axis=1, keepdims=True) * lengths
        core: Core = positions, np.ones(n_atoms), np.zeros(n_atoms, np.int64), coefficients(["C"])
        made = sufficient_volume(*core, q_max=geometry.q_max, accuracy=ACCURACY, max_grid=601)
        images.append(_electrons2(render(stack([made]), geometry, single_hits(IDENTITY[None], geometry))[0], geometry))
    x = q * radius
    phi = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    formula = factor("C", geometry.q) ** 2 * (n_atoms + n_atoms * (n_atoms - 1) * phi**2)
    rings = geometry.shape[0] // 2
    _, q_ring, means = _ring_means(np.array(images), q, rings)
    expected = _ring_means(formula[None], q, rings)[2][0]
    mean, error, limit = _mean(means)
    return (q_ring, mean, expected, error), limit


def _debye(
    molecule: Molecule, geometry: Geometry, render: Render, q: Array, rng: np.random.Generator, n: int
) -> tuple[tuple[Array, Array, Array, Array], float]:
    volume = stack([molecule.volume(geometry.q_max)])
    images = render(volume, geometry, single_hits(random_orientations(rng, n), geometry))
    rings = geometry.shape[0] // 4
    seen = np.stack([_electrons2(image, geometry) for image in images])
    _, q_ring, means = _ring_means(seen, q, rings)
    fine = np.linspace(q.min(), q.max(), 160)
    by_pixel = np.exp(np.interp(q, fine, np.log(debye_intensity(molecule.core, fine))))
    expected = _ring_means(by_pixel[None], q, rings)[2][0]
    mean, error, limit = _mean(means)
    return (q_ring, mean, expected, error), limit


def debye_intensity(core: Core, q: Array) -> Array:
    """⟨|F|²⟩ over all orientations, Σ_ij f_i f_j sin(q r_ij)/(q r_ij), at lengths q (k,) [Å⁻¹]; (k,) electrons².

    Pairs are counted by distance in bins; what is lost in them adds up at random, below 10⁻⁴ of the sum.
    """
    positions, occupancies, species, table = core
    edges = np.arange(0, 2 * np.linalg.norm(positions, axis=1).max() + 2 * BIN, BIN)
    centres = (edges[1:] + edges[:-1]) / 2
    factors = np.stack([form_factor(row, q) for row in table])
    waves = np.sinc(np.outer(q, centres) / np.pi)
    total = sum(factors[k] ** 2 * np.sum(occupancies[species == k] ** 2) for k in range(len(table)))
    kinds = {k: np.flatnonzero(species == k) for k in np.unique(species)}
    for a, of_a in kinds.items():
        for b, of_b in kinds.items():
            if b < a:
                continue
            counts = _pair_counts(positions, occupancies, of_a, of_b, edges, same=a == b)
            total = total + 2 * factors[a] * factors[b] * (waves @ counts)
    return total


def _pair_counts(
    positions: Array, weights: Array, a: NDArray[np.intp], b: NDArray[np.intp], edges: Array, *, same: bool
) -> Array:
    """Weight of the pairs of an atom of `a` and one of `b`, each pair once, by distance."""
    if same and np.ptp(weights[a]) == 0:
        return np.histogram(pdist(positions[a]), edges)[0] * weights[a[0]] ** 2
    counts = np.zeros(len(edges) - 1)
    for block in np.array_split(a, max(1, len(a) * len(b) // 2**22)):
        distance = np.linalg.norm(positions[block, None] - positions[None, b], axis=-1)
        counts += np.histogram(distance, edges, weights=np.outer(weights[block], weights[b]))[0]
    if same:  # each pair was met twice, and each atom met itself
        counts[0] -= np.sum(weights[a] ** 2)
        counts /= 2
    return counts


def _draw(figure: Figure, atoms: dict, two: tuple, ball: tuple, debye: tuple, name: str) -> None:
    (one, pair), (sphere, mean) = figure.subplots(2, 2)
    for number, (element, (q, seen, formula)) in enumerate(atoms.items()):
        one.semilogy(q, formula, color=ORANGE, linewidth=1, label="" if number else "formula")
        one.semilogy(q[::4], seen[::4], "o", color=BLUE, markersize=3, label="" if number else "rendered")
        one.annotate(element, (q[-1], formula[-1]), (4, -3), textcoords="offset points", size=8)
    one.set_title("one atom")
    one.set_yticks([30, 100, 300, 1000], ["30", "100", "300", "1,000"])
    one.yaxis.set_minor_formatter(NullFormatter())
    one.legend(fontsize=8, loc="center")
    q, seen, formula = two
    pair.plot(q, formula, color=ORANGE, linewidth=1)
    pair.plot(q, seen, "o", color=BLUE, markersize=2.5)
    pair.set_title(f"two atoms, {BOND / 10:g} nm apart")
    for axes, (q, seen, formula, error), title in ((sphere, ball, "filled ball of atoms"), (mean, debye, name)):
        axes.semilogy(q, formula, color=ORANGE, linewidth=1)
        axes.errorbar(q, seen, error, fmt="o", color=BLUE, ecolor=QUIET, markersize=2.5, elinewidth=0.8)
        axes.set_title(title)
    for axes in (one, sphere, mean):
        axes.set_xlabel("q (Å⁻¹)")
    pair.set_xlabel("q_x (Å⁻¹)")
    for axes in (one, pair, sphere, mean):
        axes.set_ylabel("electrons²", color=INK)
    figure.tight_layout()
