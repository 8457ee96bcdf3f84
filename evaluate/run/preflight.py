"""What of a run can be told to be wrong before any job starts, beyond its config: files that are not there, and
detectors that are too coarse for a phantom."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evaluate.run.config import RunConfig
from frames.geometry import wavelength
from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig
from simulate.molecules import phantoms


def problems_of(run: RunConfig) -> list[str]:
    """A line for every problem, each beginning with a dotted key of the config."""
    return [*_absent(run.simulation), *_too_coarse(run.simulation)]


def downloads(run: RunConfig) -> str:
    """What of the config's entries no folder has, so that it will be downloaded, and folders that are not there; else
    nothing."""
    archive = run.simulation.archive
    if not (missing := _not_in_folders(run.simulation)):
        return ""
    said = [f"{', '.join(missing)} will be downloaded: no folder has them"]
    if gone := [str(folder) for folder in archive.mirrors if not folder.is_dir()]:
        said.append(f"archive.mirrors {', '.join(gone)} are not there")
    return "; ".join(said)


def _absent(simulation: SimulationConfig) -> Iterator[str]:
    for number, structure in enumerate(simulation.structures):
        if structure.source == "file" and structure.path and not structure.path.is_file():
            key = f"simulation.structures.{number}.path"
            yield f"{key}: {structure.path} is no file, seen from {Path.cwd()}; correct the path of {structure.id}"
    for name, dataset in simulation.datasets.items():
        if (mask := dataset.detector.mask_file) and not mask.is_file():
            key = f"simulation.datasets.{name}.detector.mask_file"
            yield f"{key}: {mask} is no file, seen from {Path.cwd()}; correct the path"
    if not simulation.archive.servers and (missing := _not_in_folders(simulation)):
        folders = [str(folder) for folder in (*simulation.archive.mirrors, simulation.archive.cache_dir)]
        yield (
            f"simulation.archive.mirrors: none of the folders {folders}, seen from {Path.cwd()}, has "
            f"{', '.join(missing)}, and archive.servers is empty; put <id>.cif.gz there or name a server"
        )


def _not_in_folders(simulation: SimulationConfig) -> list[str]:
    entries = [structure.entry for structure in simulation.structures if structure.source == "pdb" and structure.entry]
    if not entries:
        return []
    from simulate.molecules.pdb_archive import SUFFIXES  # what it imports takes time

    folders = (*simulation.archive.mirrors, simulation.archive.cache_dir)

    def is_there(entry: str) -> bool:
        names = [f"{name}{suffix}" for name in (entry, entry.upper()) for suffix in SUFFIXES]
        return any((folder / name).is_file() for folder in folders for name in names)

    return [entry for entry in entries if not is_there(entry)]


def _too_coarse(simulation: SimulationConfig) -> Iterator[str]:
    """What the job of a dataset's layout says of any structure; of phantoms it is known now, and the first is named."""
    for name, dataset in simulation.datasets.items():
        step = largest_q_step(dataset)
        for structure in map(simulation.structure, simulation.selected(name)):
            if structure.phantom is None or _widest(structure.phantom) <= math.pi / step:
                continue
            from simulate.diffraction.volume import check_sampling  # what it imports takes seconds

            try:
                check_sampling(phantoms.build(structure.phantom).radius, step)
            except ValueError as error:
                yield f"simulation.datasets.{name}.detector: dataset {name}, structure {structure.id}: {error}"
                break


def largest_q_step(dataset: DatasetConfig) -> float:
    """Largest change of q across a pixel of a dataset's detector [Å⁻¹]: across the one at the beam."""
    detector = dataset.detector
    pixel, distance = detector.image_pixel_size_um * 1e-3, detector.distance_mm
    x = np.array([0.0, pixel]) if detector.n_pixels % 2 == 0 else np.array([-pixel / 2, pixel / 2])
    towards = np.stack([x, np.full(2, x.mean()), np.full(2, distance)], axis=-1)
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    return float(2 * np.pi / wavelength(dataset.beam.photon_energy_eV) * np.linalg.norm(towards[1] - towards[0]))


def _widest(phantom: str) -> float:
    """No phantom of that name is wider [Å]: twice the sphere around the origin that holds it, as that moves by up to
    its radius when the atoms are centred."""
    domains = phantoms.named(phantom).domains
    return 4 * max(math.hypot(*domain.centre) + max(domain.across, domain.along) for domain in domains)
