"""What the benchmarks share: one molecule, the default experiment, and the line that each prints.

The molecule is the stand-in 4a0v (59,707 atoms) where the deposited structures are at hand, else the phantom
double_ring; the line says which. Run one with `make bench BENCH=render_1`.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from frames.geometry import Geometry
from frames.store.layout import Layout
from simulate.diffraction import volume
from simulate.experiment.config import DatasetConfig
from simulate.experiment.geometry import square_detector
from simulate.molecules import phantoms
from simulate.molecules.atoms import Atoms
from simulate.molecules.form_factors import coefficients
from simulate.molecules.structures import read_structure
from simulate.plan import plan
from simulate.plan.config import PlanConfig
from simulate.plan.placement import body_of
from simulate.plan.shots import Shots, draw

DETECTOR = {"n_pixels": 128, "pixel_size_um": 600, "distance_mm": 323}
PHOTON_ENERGY_EV = 4600.0
STRUCTURES = Path(os.environ.get("SINGLEHIT_STRUCTURES", Path(__file__).parents[2] / "shared" / "structures"))


def molecule() -> tuple[str, Atoms]:
    """Name and centred atoms."""
    if (file := STRUCTURES / "4a0v.pdb.gz").exists():
        return "4a0v", read_structure(file).centred()
    return "double_ring", phantoms.build("double_ring").centred()


def geometry() -> Geometry:
    """The default experiment."""
    return square_detector(photon_energy_eV=PHOTON_ENERGY_EV, **DETECTOR)


def core_atoms(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, occupancies, species and coefficients, as the simulation's core takes them."""
    elements, species = np.unique(atoms.elements, return_inverse=True)
    return atoms.positions, atoms.occupancies, species, coefficients(elements)


def field(atoms: Atoms, detector: Geometry, accuracy: float = 1e-3) -> volume.Volume:
    """The volume that the pipeline would make."""
    return volume.sufficient_volume(*core_atoms(atoms), q_max=detector.q_max, accuracy=accuracy, max_grid=401)


def atomic_numbers(atoms: Atoms) -> np.ndarray:
    """Z of every atom."""
    symbols, index = np.unique(atoms.elements, return_inverse=True)
    return np.array([gemmi.Element(str(symbol)).atomic_number for symbol in symbols])[index]


def rate(work: Callable[[], Any], items: int, repeats: int = 3) -> float:
    """Items per second of the fastest of some runs, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return items / min(times)


def report(name: str, ours: float, competitor: float, unit: str, **more: Any) -> None:
    """Print the benchmark's line; rates, so the ratio is ours over the competitor's."""
    line = {"bench": name, "ours": ours, "competitor": competitor, "unit": unit, "ratio": ours / competitor, **more}
    print(
        json.dumps({key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in line.items()})
    )


def render(name: str, n_particles: int) -> None:
    """Shots of `n_particles` per second, ours on all cores, against skopi's generate_image in as many processes.

    skopi's experiment, slicing, corrections and sampling are its own; only its volume is made by the fast transform.
    Both sample photons; `expected` are ours without that. The error is of the expected photons, against sums over the
    atoms at pixel centres for one particle, and between the two for several.
    """
    from simulate.diffraction.patterns import expected_photons
    from simulate.experiment.photons import sample_photons

    entry, atoms = molecule()
    detector = geometry()
    volumes = volume.stack([field(atoms, detector)])
    shots = some_shots(atoms, n_particles, 256)  # as many as the pipeline renders together
    seeds = np.arange(len(shots), dtype=np.uint64)
    cores = os.cpu_count() or 1
    expected = rate(lambda: expected_photons(volumes, detector, shots), len(shots))
    ours = rate(lambda: sample_photons(expected_photons(volumes, detector, shots), seeds), len(shots))
    images = expected_photons(volumes, detector, shots)[:4]
    orientations = shots.orientations.reshape(-1, n_particles, 4)
    positions = shots.positions.reshape(-1, n_particles, 3)
    theirs, their_images = skopi_images(atoms, orientations[:16], positions[:16], cores)
    more: dict[str, Any] = {"structure": entry, "cores": cores, "expected": expected}
    if n_particles == 1:
        truth = exact(atoms, detector, orientations[:4, 0], shots.fluence[0])
        more |= {"error": relative(images, truth), "error_competitor": relative(their_images[:4], truth)}
    else:
        more |= {"error": relative(images, their_images[:4]), "error_is": "against the competitor"}
    report(name, ours, theirs, "patterns/s", **more)


def some_shots(atoms: Atoms, n_particles: int, n: int) -> Shots:
    """Shots of `n_particles` of one structure, as the plan places them, at 1e12 photons a pulse."""
    bodies = {"it": body_of(atoms.positions)}
    config = PlanConfig(hit_multiplicities=(n_particles,), patterns_per_class=n)
    return draw(plan.draw(config, "ballistic", bodies), DatasetConfig(photons_per_pulse=1e12, record="photons"))


def relative(images: np.ndarray, truth: np.ndarray) -> float:
    """Relative L2 difference."""
    return float(np.linalg.norm(images - truth) / np.linalg.norm(truth))


def exact(atoms: Atoms, detector: Geometry, orientations: np.ndarray, fluence: float) -> np.ndarray:
    """Expected photons of single hits without a grid, (n, ny, nx)."""
    from simulate.orientation import rotation_matrices

    points = np.stack([detector.q @ rotation for rotation in rotation_matrices(orientations)])
    return fluence * detector.photons_per_electron2() * np.abs(volume.exact_field(points, *core_atoms(atoms))) ** 2


def skopi_images(atoms: Atoms, orientations: np.ndarray, positions: np.ndarray, cores: int) -> tuple[float, np.ndarray]:
    """Rate of generate_image in `cores` processes at once, and the expected photons of the given shots."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(cores, _make_skopi, (atoms, orientations, positions)) as pool:
        results = pool.map(_time_skopi, range(cores), chunksize=1)
    return sum(rate_of_one for rate_of_one, _ in results), results[0][1]


def skopi_experiment(atoms: Atoms, n_particles: int) -> Any:
    """skopi's experiment with shots of `n_particles`."""
    from simulate.skopi import engine
    from simulate.skopi.detector import make_beam, make_detector

    beam = make_beam(PHOTON_ENERGY_EV, 0.5, 1e12)
    detector = make_detector(**DETECTOR, beam=beam)
    arguments = detector, beam, atomic_numbers(atoms), atoms.positions, atoms.occupancies, (n_particles,)
    return engine.experiments(*arguments)[n_particles]


def _make_skopi(atoms: Atoms, orientations: np.ndarray, positions: np.ndarray) -> None:
    global _shots
    _shots = skopi_experiment(atoms, orientations.shape[1]), orientations, positions


def _time_skopi(_: int) -> tuple[float, np.ndarray]:
    from simulate.skopi import engine

    experiment, orientations, positions = _shots
    images = [engine.shoot(experiment, 1e12, o, p, seed=0)[0] for o, p in zip(orientations, positions, strict=True)]

    def generate() -> None:
        experiment.set_orientations(orientations.reshape(-1, 4))
        experiment.set_positions(positions.reshape(-1, 3) * 1e-10)
        for _ in range(len(orientations)):
            experiment.generate_image()

    return rate(generate, len(orientations)), np.array(images)


def late10_store(folder: Path) -> Path:
    """A store of 5,120 sparse patterns of 44 classes, most of them for training; what they show does not matter."""
    import pandas as pd

    from frames.readout.config import ReadoutConfig
    from frames.store import integrity, writer
    from frames.targets import shot_targets
    from simulate.render import labels

    n, rng = 5120, np.random.default_rng(0)
    readout, structures = ReadoutConfig().model_dump(mode="json"), [f"s{i}" for i in range(11)]
    layout = Layout(n, (128, 128), "photons", 16, 1024, shot_targets(structures, (1, 2, 3, 4)), readout)
    plan = pd.DataFrame(
        {
            "structure": [structures[i % 11] for i in range(n)],
            "hit_multiplicity": [i // 11 % 4 + 1 for i in range(n)],
            "split": ["train"] * (n - 512) + ["validation"] * 256 + ["test"] * 256,
            "seed": np.arange(n, dtype=np.uint64),
        }
    )
    pulses = labels.Pulses(np.ones(n), np.full(n, 4600.0), np.zeros((n, 2)), np.ones(n))
    labels.create(folder / "store", layout, plan, pulses, np.ones((128, 128)))
    for shard in range(layout.n_shards):
        rows = layout.rows(shard)
        images = rng.poisson(0.05, size=(rows.stop - rows.start, 128, 128)).astype(np.uint16)
        writer.write_shard(folder / "store", layout, shard, images, made_from="benchmark")
    integrity.complete(folder / "store", {})
    return folder / "store"
