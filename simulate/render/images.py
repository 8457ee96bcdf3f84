"""From rows of the plan to images, shard by shard, on a Dask cluster."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frames.files import sha256
from frames.geometry import Geometry
from frames.provenance import json_digest
from simulate.config import SimulationConfig
from simulate.diffraction import patterns
from simulate.diffraction.volume import Volume, VolumeStack, stack
from simulate.experiment import background
from simulate.experiment.config import DatasetConfig
from simulate.experiment.photons import as_counts, sample_photons
from simulate.molecules.atoms import Atoms
from simulate.plan.plan import Plan
from simulate.plan.shots import Shots, draw

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

SAMPLED_TOGETHER = 256
"""Patterns: 16 MB of expected photons of 128 x 128 pixels."""


@dataclass(frozen=True)
class Inputs:
    """Files that the images of a dataset are rendered from."""

    plan: Path
    geometry: Path
    volumes: Mapping[str, Path]
    """by structure id, in the order of the config, of those that the dataset holds; skopi's engine makes its own"""
    atoms: Mapping[str, Path] = field(default_factory=dict)
    """the same; only skopi's engine reads them"""

    def digest(self) -> str:
        """Digest of the bytes of every file."""
        files = [self.plan, self.geometry, *self.volumes.values(), *self.atoms.values()]
        return json_digest([sha256(file) for file in files])


def images(plan: Plan, inputs: Inputs, config: SimulationConfig, name: str) -> NDArray:
    """Images of these rows of the plan as dataset `name` records them: (n, ny, nx) float32 or uint16.

    Photons of the background are among them: its mean follows the pulse and the live share of each pixel.
    """
    chosen = config.datasets[name]
    if chosen.engine == "skopi":
        expected, photons = _skopi_shots(plan, inputs, config, chosen)
        return expected if chosen.record == "expected" else photons
    if chosen.record == "expected":
        return _expected_photons(plan, inputs, chosen)
    # Of expected photons only a block at a time is held: their memory is used again, and stays in the cache.
    photons = np.empty((len(plan), *load_geometry(inputs.geometry).shape), dtype=np.uint16)
    for start in range(0, len(plan), SAMPLED_TOGETHER):
        rows = plan.rows(slice(start, start + SAMPLED_TOGETHER))
        photons[start : start + SAMPLED_TOGETHER] = sample_photons(
            _expected_photons(rows, inputs, chosen),
            rows.table["seed"].to_numpy(np.uint64),
            chosen.readout.saturation_photons,
        )
    return photons


def _expected_photons(plan: Plan, inputs: Inputs, chosen: DatasetConfig) -> NDArray[np.float32]:
    volumes, geometry = load_volumes(tuple(inputs.volumes.values())), load_geometry(inputs.geometry)
    return expected_frames(volumes, geometry, draw(plan, chosen), chosen)


def expected_frames(
    volumes: VolumeStack, geometry: Geometry, shots: Shots, chosen: DatasetConfig
) -> NDArray[np.float32]:
    """Mean photons (n, ny, nx) that the detector counts in these shots: of the particles, and the background.

    The background follows the pulse.
    """
    expected = patterns.expected_photons(
        volumes, geometry, shots, backend="torch" if chosen.engine == "torch" else "numba"
    )
    steady = background.steady(chosen.background, geometry)
    if steady.any():
        for image, factor in zip(expected, shots.pulse_factor.astype(np.float32), strict=True):
            image += factor * steady
    return expected


def expected_frames_on(
    volumes: VolumeStack, geometry: Geometry, chosen: DatasetConfig, device: "torch.device"
) -> "Callable[[Shots], torch.Tensor]":
    """`expected_frames` on a device that they never leave, for shots to come."""
    import torch

    of_particles = patterns.on_device(volumes, geometry, device)
    steady = torch.as_tensor(background.steady(chosen.background, geometry), device=device)

    def expected(shots: Shots) -> torch.Tensor:
        factor = torch.as_tensor(shots.pulse_factor, dtype=torch.float32, device=device)
        return of_particles(shots).add_(factor[:, None, None] * steady)

    return expected


def _skopi_shots(
    plan: Plan, inputs: Inputs, config: SimulationConfig, chosen: DatasetConfig
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """The same rows by skopi's own experiment: its mesh, its linear interpolation, its corrections, its Poisson."""
    import gemmi

    from simulate.skopi import engine as skopi_adapter
    from simulate.skopi.detector import make_beam, make_detector

    mask = load_geometry(inputs.geometry).mask
    expected = np.zeros((len(plan), *mask.shape), dtype=np.float32)
    photons = np.zeros(expected.shape, dtype=np.uint16)
    drawn = draw(plan, chosen)
    photons_per_pulse = chosen.photons_per_pulse * drawn.pulse_factor
    beam = make_beam(chosen.beam.photon_energy_eV, chosen.beam.focus_radius_um, chosen.photons_per_pulse)
    pixels = chosen.detector
    detector = make_detector(pixels.n_pixels, pixels.image_pixel_size_um, pixels.distance_mm, beam)
    rows = plan.table.reset_index(drop=True)
    rows = rows[rows["hit_multiplicity"] > 0]  # without a particle there is nothing to see: skopi has no background
    for structure, shots in rows.groupby("structure"):
        atoms = Atoms.load(inputs.atoms[str(structure)])
        numbers = np.array([gemmi.Element(symbol).atomic_number for symbol in atoms.elements])
        multiplicities = tuple(int(m) for m in shots["hit_multiplicity"].unique())
        experiments = skopi_adapter.experiments(
            detector, beam, numbers, atoms.positions, atoms.occupancies, multiplicities
        )
        for row, shot in shots.iterrows():
            particles = slice(plan.start[row], plan.start[row + 1])
            mean, counts = skopi_adapter.shoot(
                experiments[int(shot["hit_multiplicity"])],
                photons_per_pulse[row],
                drawn.orientations[particles],
                drawn.positions[particles],
                int(shot["seed"]),
            )
            expected[row] = np.where(mask, 0, mean)
            photons[row] = as_counts(np.where(mask, 0, counts), chosen.readout.saturation_photons)
    return expected, photons


@lru_cache(maxsize=1)
def load_volumes(paths: tuple[Path, ...]) -> VolumeStack:
    """Volumes from their files, kept for the next call."""
    return stack([Volume.load(path) for path in paths])


@lru_cache(maxsize=2)
def load_geometry(path: Path) -> Geometry:
    """A geometry from its file, kept for the next call."""
    return Geometry.load(path)
