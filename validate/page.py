"""All checks, and docs/validation.md made of what they found."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from frames.files import atomic_path
from frames.provenance import source_digest, versions
from report.plot.style import drawing
from simulate.diffraction.patterns import expected_photons
from simulate.experiment.photons import sample_photons
from simulate.molecules import phantoms
from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.structures import load_atoms
from simulate.plan import plan
from simulate.plan.config import PlanConfig
from simulate.plan.placement import MODELS, body_of
from validate.check import Finding, scientific
from validate.diffraction import against_skopi, closed_forms, fringes, interpolation, refinement, sums
from validate.experiment import corrections, fluence, photons, pulses
from validate.fixtures import Molecule, Render, detector
from validate.plan import contacts, orientations
from validate.sfx import crystals
from validate.virus import icosahedron

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How much is computed: what the page is made of, or what a test has time for."""

    n_pixels: int = 128
    oversamplings: tuple[float, ...] = (2, 2.5, 3, 4, 5, 6, 8)
    tolerances: tuple[float, ...] = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
    single_hits: int = 2
    points: int = 400
    balls: int = 24
    ball_atoms: int = 5000
    debye_orientations: int = 1000
    positions_at: tuple[float, ...] = (200, 500, 1000, 2000)
    separations: tuple[float, ...] = (100, 200, 300, 400, 600, 800, 1000, 1450, 2000, 3000)
    fluence_orientations: int = 64
    means: tuple[float, ...] = tuple(np.logspace(-3, 4, 22).tolist())
    patterns: int = 16
    rows: int = 2000
    shots: int = 50_000
    voxels: int = 96
    virus_points: int = 400
    virus_directions: int = 8000
    crystals: int = 4
    crystal_pixels: int = 1920
    crystal_hits: int = 4000


SMALL = Size(
    n_pixels=64,
    oversamplings=(3, 4, 5, 6, 8),
    tolerances=(3e-2, 1e-2, 1e-3, 1e-4),
    single_hits=1,
    points=100,
    balls=6,
    ball_atoms=1000,
    debye_orientations=60,
    positions_at=(500,),
    separations=(100, 1450),
    fluence_orientations=4,
    means=(0.01, 1.0, 100.0),
    patterns=4,
    rows=20,
    shots=2000,
    voxels=64,
    virus_points=100,
    virus_directions=2000,
    crystals=1,
    crystal_pixels=960,
    crystal_hits=1000,
)


def findings(
    size: Size, molecules: Sequence[Molecule], structures: Sequence[Molecule], render: Render = expected_photons
) -> Iterator[Finding]:
    """Every check, in the order of the page.

    Parameters
    ----------
    molecules :  on which errors are measured; the first is the smallest.
    structures : of which photons per pattern are tabled.
    """
    geometry, first = detector(size.n_pixels), molecules[0]
    yield interpolation.check(molecules, geometry, render, oversamplings=size.oversamplings, n=size.single_hits, seed=1)
    yield refinement.check(molecules, geometry, tolerances=size.tolerances, n=size.single_hits, seed=2)
    yield sums.check(molecules, geometry, render, n_points=size.points, seed=3)
    yield against_skopi.check(molecules, geometry, render, n=size.single_hits, seed=4)
    yield corrections.check(detector(size.n_pixels, distance_mm=80.0), geometry, render)
    yield closed_forms.check(
        first,
        geometry,
        render,
        balls=size.balls,
        ball_radius=60.0,
        ball_atoms=size.ball_atoms,
        n=size.debye_orientations,
        seed=5,
    )
    yield fringes.check(first, render, positions_at=size.positions_at, separations=size.separations, seed=8)
    config = PlanConfig(seed=7, patterns_per_class=size.rows)
    pair = [first, Molecule("wishbone", phantoms.build("wishbone"))]
    bodies = {molecule.name: body_of(molecule.atoms.positions) for molecule in pair}
    plans = {model: plan.draw(config, model, bodies) for model in MODELS}
    yield contacts.check(pair, plans, config)
    yield fluence.check(structures, geometry, render, n=size.fluence_orientations, seed=10)
    yield photons.check(sample_photons, means=size.means, shape=(size.patterns, 128, 128), seed=6)
    doubles = plans["ballistic"].take(np.flatnonzero(np.diff(plans["ballistic"].start) == 2))
    yield orientations.check(
        doubles.orientations.reshape(-1, 2, 4), f"{len(doubles):,} double hits of a plan, seed {config.seed}"
    )
    yield pulses.check(n=size.shots, seed=9)
    yield icosahedron.check(
        n_voxels=size.voxels, n_points=size.virus_points, n_directions=size.virus_directions, seed=11
    )
    yield crystals.check(
        orientations=size.crystals, n_spots=40, n_pixels=size.crystal_pixels, hits=size.crystal_hits, seed=11
    )


def deposited(structures: Sequence[StructureConfig], archive: ArchiveConfig) -> tuple[list[Molecule], list[str]]:
    """Those of the structures that lie in a mirror folder, and a line on each: what it is, and its sha256.

    Nothing is downloaded: the page is to say the same with and without a network.
    """
    offline = archive.model_copy(update={"servers": ()})
    found, lines = [], []
    for structure in structures:
        try:
            atoms, record = load_atoms(structure, offline)
        except FileNotFoundError:
            log.warning("%s is in none of %s: left out", structure.id, [str(folder) for folder in archive.mirrors])
            continue
        found.append(Molecule(structure.id, atoms, is_phantom=False))
        lines.append(f"{structure.id}: assembly {structure.assembly}, sha256 `{record['sha256']}`")
    return found, lines


def write(page: Path, figures: Path, found: Sequence[Finding], sources: Sequence[str], command: str) -> None:
    """The page and its figures, if every limit is kept.

    Parameters
    ----------
    sources : a line on each deposited structure.
    command : that made this page.

    Raises
    ------
    RuntimeError naming every check that fails its limit; nothing is written then.
    """
    if failures := [failure for finding in found for failure in finding.failures]:
        raise RuntimeError("\n  - ".join([f"validation failed, {page} is not written:", *failures]))
    for finding in found:
        with drawing(figures / f"{finding.key}.svg", finding.inches) as figure:
            finding.draw(figure)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["scientific"] = scientific
    text = environment.get_template("validation.md.j2").render(
        findings=found,
        sources=sources,
        command=command,
        figures=figures.relative_to(page.parent),
        digest=source_digest("validate.page"),
        versions=versions(),
    )
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
