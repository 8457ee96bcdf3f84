"""Shots as the renderer takes them: which particles, how they lie, and the pulse that met them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr, ndtri

from frames.rng import normals, uniforms
from simulate.experiment.beam import JITTER_CUT
from simulate.orientation import seen_between

if TYPE_CHECKING:
    from simulate.experiment.config import DatasetConfig, FluenceJitterConfig
    from simulate.plan.plan import Plan

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shots:
    """n shots of p particles in all; those of shot i are start[i]:start[i + 1]. A shot may have none."""

    start: NDArray[np.int64]
    """(n + 1,)"""
    species: NDArray[np.int64]
    """(p,) index into the volumes of the call."""
    orientations: Array
    """(p, 4) unit quaternions (w, x, y, z), sample to lab frame."""
    positions: Array
    """(p, 3) lab frame [Å]."""
    fluence: Array
    """(p,) where the particle is [photons/µm²]."""
    photon_energy_eV: Array
    """(n,)"""
    beam_centre: Array
    """(n, 2) where the beam meets the detector, x and y from the middle of the image [pixels]."""
    pulse_factor: Array
    """(n,) photons of the pulse over the nominal number; already in `fluence`."""

    def __len__(self) -> int:
        return len(self.photon_energy_eV)

    @classmethod
    def alike(cls, orientations: Array, positions: Array, fluence: Array, photon_energy_eV: float) -> Self:
        """Shots of one structure and one multiplicity, the beam in the middle of the image.

        Parameters
        ----------
        orientations : (n, m, 4). positions : (n, m, 3) [Å]. fluence : (n,) [photons/µm²].

        Raises
        ------
        ValueError if shapes do not agree.
        """
        n, m = np.shape(orientations)[:2]
        if orientations.shape != (n, m, 4) or positions.shape != (n, m, 3) or np.shape(fluence) != (n,):
            raise ValueError(
                f"orientations {orientations.shape}, positions {positions.shape} and fluence {np.shape(fluence)} "
                "do not agree; expected (n, m, 4), (n, m, 3) and (n,)"
            )
        return cls(
            start=m * np.arange(n + 1),
            species=np.zeros(n * m, dtype=np.int64),
            orientations=orientations.reshape(-1, 4),
            positions=positions.reshape(-1, 3),
            fluence=np.repeat(np.asarray(fluence, dtype=np.float64), m),
            photon_energy_eV=np.full(n, photon_energy_eV),
            beam_centre=np.zeros((n, 2)),
            pulse_factor=np.ones(n),
        )


def draw(plan: "Plan", dataset: "DatasetConfig") -> Shots:
    """The plan's shots as this dataset's pulses meet them; every number follows from the row's seed alone."""
    beam, seeds = dataset.beam, plan.table["seed"].to_numpy(np.uint64)
    factor = pulse_factors(seeds, beam.fluence_jitter)
    peak = factor * dataset.peak_fluence
    multiplicity = np.diff(plan.start)
    fluence = np.repeat(peak, multiplicity)
    if beam.focus_profile == "gaussian":
        injected = beam.focus_radius_um if beam.injection_radius_um is None else beam.injection_radius_um
        from_axis = np.repeat(_in_disc(seeds, injected), multiplicity, axis=0) + 1e-4 * plan.positions[:, :2]
        fluence *= np.exp(-2 * np.square(from_axis).sum(axis=1) / beam.focus_radius_um**2)
    energy = _cut_normals(seeds, "energy", 1)[:, 0]
    centre_um = beam.centre_jitter_um * _cut_normals(seeds, "centre", 2)
    if any(beam.centre_offset_um):  # adding 0 would turn -0 into 0: other bytes of datasets that stand
        centre_um += beam.centre_offset_um
    views = dataset.select.views
    return Shots(
        start=plan.start,
        species=plan.species,
        orientations=plan.orientations if views.side == "all" else seen_between(plan.orientations, *views.heights),
        positions=plan.positions,
        fluence=fluence,
        photon_energy_eV=beam.photon_energy_eV * (1 + beam.energy_jitter * energy),
        beam_centre=centre_um / dataset.detector.image_pixel_size_um,
        pulse_factor=factor,
    )


def pulse_factors(seeds: NDArray[np.uint64], jitter: "FluenceJitterConfig") -> Array:
    """(n,) photons of each pulse over the nominal number.

    Of mean 1 and standard deviation sigma, but for the floor; `loguniform` is at most 1.
    """
    if jitter.model == "none":
        return np.ones(len(seeds))
    if jitter.model == "loguniform":
        return 10 ** (-jitter.decades * uniforms(seeds, "fluence", 1)[:, 0])
    if jitter.model == "gamma":
        shape = jitter.sigma**-2
        return gammaincinv(shape, uniforms(seeds, "fluence", 1)[:, 0]) / shape
    normal = normals(seeds, "fluence", 1)[:, 0]
    if jitter.model == "lognormal":
        variance = np.log1p(jitter.sigma**2)  # of the logarithm
        return np.exp(np.sqrt(variance) * normal - variance / 2)
    factor = 1 + jitter.sigma * normal
    return np.where(factor > 0, factor, jitter.floor)


def _cut_normals(seeds: NDArray[np.uint64], stream: str, count: int) -> Array:
    """(n, count) normal numbers of which none lies beyond JITTER_CUT."""
    outside = ndtr(-JITTER_CUT)
    return ndtri(outside + (1 - 2 * outside) * uniforms(seeds, stream, count))


def _in_disc(seeds: NDArray[np.uint64], radius: float) -> Array:
    """(n, 2) points evenly in a disc."""
    square, turn = uniforms(seeds, "focus", 2).T
    distance = radius * np.sqrt(square)
    return np.stack([distance * np.cos(2 * np.pi * turn), distance * np.sin(2 * np.pi * turn)], axis=1)
