"""The stages up to a dataset, one function each: settings and files in, complete files out. The rules call these."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulate import integrity, render, store, structures, volume
from simulate import plan as plans
from simulate.atoms import Atoms
from simulate.beam import fluence, wavelength
from simulate.config import ArchiveConfig, SimulationConfig, StructureConfig, VolumeConfig
from simulate.files import read_json, write_json
from simulate.form_factors import coefficients
from simulate.geometry import Geometry, beamstop_mask, square_detector
from simulate.orientation import random_orientations, rotation_matrices
from simulate.patterns import expected_photons
from simulate.provenance import versions


def make_structure(config: StructureConfig, archive: ArchiveConfig, atoms_file: Path, record_file: Path) -> None:
    """A structure of the config -> its centred atoms (.npz) and what is known of them (.json)."""
    atoms, record = structures.load_atoms(config, archive)
    atoms.save(atoms_file)
    write_json(record_file, record)


def make_geometry(config: SimulationConfig, geometry_file: Path, record_file: Path) -> None:
    """Beam and detector of the config -> q, solid angle and polarisation of every pixel (.npz) and a summary (.json).

    Raises
    ------
    ValueError if the mask file is not a boolean image of the detector's shape.
    """
    detector = config.detector
    mask = beamstop_mask(detector.n_pixels, detector.beamstop_radius_pixels)
    if detector.mask_file is not None:
        from_file = np.load(detector.mask_file, allow_pickle=False)
        if from_file.dtype != bool or from_file.shape != mask.shape:
            raise ValueError(
                f"mask_file {detector.mask_file} holds {from_file.dtype} {from_file.shape}, "
                f"expected bool {mask.shape}, True where a pixel is unusable"
            )
        mask |= from_file
    geometry = square_detector(
        photon_energy_eV=config.beam.photon_energy_eV,
        n_pixels=detector.n_pixels,
        pixel_size_um=detector.pixel_size_um,
        distance_mm=detector.distance_mm,
        mask=mask,
    )
    geometry.save(geometry_file)
    edge = float(np.linalg.norm(geometry.q[detector.n_pixels // 2, -1]))
    write_json(
        record_file,
        {
            "photon_energy_eV": config.beam.photon_energy_eV,
            "wavelength_angstrom": wavelength(config.beam.photon_energy_eV),
            "focus_radius_um": config.beam.focus_radius_um,
            "n_pixels": detector.n_pixels,
            "pixel_size_um": detector.pixel_size_um,
            "distance_mm": detector.distance_mm,
            "masked_pixels": int(mask.sum()),
            "q_step_per_angstrom": geometry.q_step,
            "q_edge_per_angstrom": edge,
            "q_max_per_angstrom": geometry.q_max,
            "resolution_edge_nm": 0.2 * np.pi / edge,
            "resolution_corner_nm": 0.2 * np.pi / geometry.q_max,
            "largest_sampled_extent_nm": 0.1 * np.pi / geometry.q_step,
        },
    )


def make_volume(
    atoms_file: Path, geometry_file: Path, config: VolumeConfig, volume_file: Path, record_file: Path
) -> None:
    """Atoms -> F(q) on a grid fine enough for the requested accuracy, measured before it is handed on.

    Raises
    ------
    ValueError if the detector cannot sample the particle, or the grid would be larger than allowed.
    RuntimeError if the finished volume misses the accuracy.
    """
    atoms, geometry = Atoms.load(atoms_file), Geometry.load(geometry_file)
    volume.check_sampling(atoms.radius, geometry.q_step)
    elements, species = np.unique(atoms.elements, return_inverse=True)
    table = coefficients(elements)
    core = atoms.positions, atoms.occupancies, species, table
    start = time.perf_counter()
    made = volume.sufficient_volume(*core, q_max=geometry.q_max, accuracy=config.accuracy, max_grid=config.max_grid)
    seconds = time.perf_counter() - start
    error = _measured_error(made, geometry, atoms, species, table)
    if error > config.accuracy:
        raise RuntimeError(
            f"volume of {atoms_file.stem}: intensity error {error:.2e} against the sum over atoms, more than the "
            f"{config.accuracy:.2e} asked for; lower volume.accuracy, and please report this"
        )
    made.save(volume_file)
    write_json(
        record_file,
        {
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


def _measured_error(
    made: volume.Volume, geometry: Geometry, atoms: Atoms, species: np.ndarray, table: np.ndarray, patterns: int = 2
) -> float:
    """Relative L2 error of the intensity of random single hits against sums over the atoms (finufft type 3)."""
    orientations = random_orientations(np.random.default_rng(0), patterns)
    sliced = expected_photons(made, geometry, orientations[:, None], np.zeros((patterns, 1, 3)), np.ones(patterns))
    points = np.stack([geometry.q @ rotation for rotation in rotation_matrices(orientations)])
    exact = np.abs(volume.exact_field(points, atoms.positions, atoms.occupancies, species, table)) ** 2
    exact *= geometry.photons_per_electron2()
    return float(np.linalg.norm(sliced - exact) / np.linalg.norm(exact))


def make_plan(config: SimulationConfig, records: Mapping[str, Path], plan_file: Path) -> None:
    """Structure records, by id -> the plan of all patterns."""
    radii = {structure.id: 10 * read_json(records[structure.id])["radius_nm"] for structure in config.structures}
    plans.write(plans.draw(config.plan, radii), plan_file)


def layout_of(config: SimulationConfig, name: str) -> store.Layout:
    """What dataset `name` will hold."""
    plan = config.plan
    return store.Layout(
        n_patterns=len(config.structures) * len(plan.hit_multiplicities) * plan.patterns_per_class,
        image_shape=(config.detector.n_pixels, config.detector.n_pixels),
        record=config.datasets[name].record,
        patterns_per_chunk=config.storage.patterns_per_chunk,
        patterns_per_shard=config.storage.patterns_per_shard,
        structures=tuple(structure.id for structure in config.structures),
        hit_multiplicities=plan.hit_multiplicities,
        read_noise_photons=config.datasets[name].read_noise_photons,
    )


def make_layout(config: SimulationConfig, plan_file: Path, geometry_file: Path, folder: Path) -> None:
    """Plan and mask -> the empty store of a dataset, with its labels."""
    plan = plans.read(plan_file)
    mask = Geometry.load(geometry_file).mask
    fluences = render.shot_fluence(plan, config, folder.name)
    store.create(folder, layout_of(config, folder.name), plan, fluences, mask)


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
        "fluence_photons_per_um2": fluence(entry.photons_per_pulse, config.beam.focus_radius_um),
        "config": entry.model_dump(mode="json"),
        "plan": config.plan.model_dump(mode="json"),
        "experiment": read_json(geometry_record),
        "versions": versions(),
    }
    integrity.complete(folder, card)
