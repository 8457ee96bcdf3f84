"""The stages up to a dataset, one function each: settings and files in, complete files out. The rules call these."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulate import integrity, render, store, structures, volume
from simulate import plan as plans
from simulate.atoms import Atoms
from simulate.beam import wavelength
from simulate.config import ArchiveConfig, SimulationConfig, StructureConfig, VolumeConfig
from simulate.experiment import DatasetConfig
from simulate.files import DAMAGED, read_json, write_json
from simulate.form_factors import coefficients
from simulate.geometry import Geometry, beamstop_mask, square_detector
from simulate.layout import layout_of
from simulate.orientation import random_orientations, rotation_matrices
from simulate.panels import coverage
from simulate.patterns import field_at
from simulate.placement import body_of
from simulate.provenance import versions

Array = NDArray[np.float64]


def make_structure(config: StructureConfig, archive: ArchiveConfig, atoms_file: Path, record_file: Path) -> None:
    """A structure of the config -> its centred atoms (.npz) and what is known of them (.json)."""
    atoms, record = structures.load_atoms(config, archive)
    atoms.save(atoms_file)
    write_json(record_file, record)


def make_geometry(dataset: DatasetConfig, geometry_file: Path, record_file: Path) -> None:
    """Beam and detector of a dataset -> what every pixel sees and counts (.npz) and a summary (.json).

    Raises
    ------
    FileNotFoundError if there is no mask file, ValueError if it is not a boolean image of the detector's shape.
    """
    energy, detector = dataset.beam.photon_energy_eV, dataset.detector
    mask = beamstop_mask(detector.n_pixels, detector.beamstop_radius_pixels)
    if detector.mask_file is not None:
        mask |= _read_mask(detector.mask_file, mask.shape)
    geometry = square_detector(
        photon_energy_eV=energy,
        n_pixels=detector.n_pixels,
        pixel_size_um=detector.image_pixel_size_um,
        distance_mm=detector.distance_mm,
        mask=mask,
        live=coverage(detector),
    )
    geometry.save(geometry_file)
    edge = float(np.linalg.norm(geometry.q[detector.n_pixels // 2, -1]))
    write_json(
        record_file,
        {
            "photon_energy_eV": energy,
            "wavelength_angstrom": wavelength(energy),
            "model": detector.model,
            "n_pixels": detector.n_pixels,
            "pixel_size_um": detector.image_pixel_size_um,
            "distance_mm": detector.distance_mm,
            "masked_pixels": int(geometry.mask.sum()),
            "live_fraction": float(geometry.live.mean()),
            "q_step_per_angstrom": geometry.q_step,
            "q_edge_per_angstrom": edge,
            "q_max_per_angstrom": geometry.q_max,
            "resolution_edge_nm": 0.2 * np.pi / edge,
            "resolution_corner_nm": 0.2 * np.pi / geometry.q_max,
            "largest_sampled_extent_nm": 0.1 * np.pi / geometry.q_step,
        },
    )


def _read_mask(file: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask of this shape, True where a pixel is unusable. Nothing is unpickled."""
    with file.open("rb") as stream:
        try:
            mask = np.lib.format.read_array(stream, allow_pickle=False)
        except DAMAGED as error:
            raise ValueError(f"mask_file {file} is no .npy file of numbers, or is damaged ({error})") from error
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"mask_file {file} holds {mask.dtype} {mask.shape}, expected bool {shape}, True where a pixel is unusable"
        )
    return mask


def make_volume(atoms_file: Path, reach: float, config: VolumeConfig, volume_file: Path, record_file: Path) -> None:
    """Atoms -> F(q) out to |q| = reach [Å⁻¹], on a grid fine enough for the accuracy, measured before it is handed on.

    Raises
    ------
    ValueError if the grid would be larger than allowed.
    RuntimeError if the finished volume misses the accuracy.
    """
    atoms = Atoms.load(atoms_file)
    elements, species = np.unique(atoms.elements, return_inverse=True)
    core = atoms.positions, atoms.occupancies, species, coefficients(elements)
    start = time.perf_counter()
    made = volume.sufficient_volume(*core, q_max=reach, accuracy=config.accuracy, max_grid=config.max_grid)
    seconds = time.perf_counter() - start
    error = measured_error(made, core, reach)
    if error > config.accuracy:
        raise RuntimeError(
            f"volume of {atoms_file.stem}: intensity error {error:.2e} against the sum over atoms, more than the "
            f"{config.accuracy:.2e} asked for; lower volume.accuracy, and please report this"
        )
    made.save(volume_file)
    write_json(
        record_file,
        {
            "q_max_per_angstrom": reach,
            "n_grid": made.n,
            "spacing_per_angstrom": made.spacing,
            "oversampling": made.oversampling,
            "requested_error": config.accuracy,
            "estimated_error": volume.interpolation_error(atoms.positions, volume.electrons(*core[1:]), made.spacing),
            "measured_error": error,
            "megabytes": made.field.nbytes / 1e6,
            "seconds": seconds,
        },
    )


def measured_error(
    made: volume.Volume, core: tuple[Array, Array, NDArray[np.int64], Array], reach: float, planes: int = 2
) -> float:
    """Relative L2 error of |F|² on discs through the origin, out to `reach`, against sums over the atoms.

    A disc is the single hit of a flat Ewald sphere; 129 x 129 points are about the pixels of an image. Orientations are
    random, and always the same.

    Parameters
    ----------
    core : positions, occupancies, species and coefficients, as for `volume.scattering_volume`.
    """
    x, y = np.meshgrid(*[np.linspace(-reach, reach, 129)] * 2)
    disc = np.stack([x, y, np.zeros_like(x)], axis=-1)[np.hypot(x, y) <= reach]
    points = disc @ rotation_matrices(random_orientations(np.random.default_rng(0), planes))
    sliced = np.abs(field_at(made, points).astype(np.complex128)) ** 2
    exact = np.abs(volume.exact_field(points, *core)) ** 2
    return float(np.linalg.norm(sliced - exact) / np.linalg.norm(exact))


def make_plan(config: SimulationConfig, placement: str, atoms_files: Mapping[str, Path], plan_file: Path) -> None:
    """Atoms, by structure id -> the plan of all patterns under one model of placement."""
    bodies = {name: body_of(Atoms.load(atoms_files[name]).positions) for name in config.planned(placement)}
    plans.write(plans.draw(config.plan, placement, bodies), plan_file)


def make_layout(
    config: SimulationConfig, plan_file: Path, geometry_file: Path, records: Mapping[str, Path], folder: Path
) -> None:
    """Plan, geometry and structure records, by id -> the empty store of a dataset, with its labels.

    Raises
    ------
    ValueError naming a structure that the dataset's detector cannot sample.
    """
    geometry, dataset = Geometry.load(geometry_file), config.datasets[folder.name]
    selected = config.selected(folder.name)
    plan = plans.only(plans.read(plan_file), selected, config.planned(dataset.placement))
    plan = plans.select(plan, dataset.select.shares)
    for structure, record in records.items():
        try:
            volume.check_sampling(10 * read_json(record)["radius_nm"], geometry.q_step)
        except ValueError as error:
            raise ValueError(f"dataset {folder.name}, structure {structure}: {error}") from error
    pulses = render.pulses(plan, dataset)
    store.create(folder, layout_of(config, folder.name), plan.table, pulses, geometry.live)


def make_shards(
    config: SimulationConfig, inputs: render.Inputs, folder: Path, shards: list[int], workers: int, job_file: Path
) -> None:
    """Shards of a dataset -> rendered and written; the job's file lists them with their sha256."""
    markers = render.make_shards(folder, shards, inputs, config, workers)
    write_json(job_file, {"shards": [m["shard"] for m in markers], "sha256": [m["sha256"] for m in markers]})


def complete_dataset(config: SimulationConfig, folder: Path, geometry_record: Path) -> None:
    """All shards -> checked, and the card of the dataset written."""
    entry = config.datasets[folder.name]
    card: dict[str, Any] = {
        "fluence_photons_per_um2": entry.peak_fluence,
        "config": entry.model_dump(mode="json"),
        "plan": config.plan.model_dump(mode="json"),
        "experiment": read_json(geometry_record),
        "versions": versions(),
    }
    integrity.complete(folder, card, entry.background)
