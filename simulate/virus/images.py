"""Frames of shots at viruses and what is none: fields summed coherently, then photons."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.geometry import Geometry
from frames.rng import states
from simulate.virus.bodies import Bodies, Part, parts_of
from simulate.virus.config import DetectorConfig
from simulate.virus.detector import added
from simulate.virus.plan import REFERENCE_NM

SATURATION = 60_000
"""Photons that a pixel of the store holds at most: beyond, pnCCD pixels are full, and masked near the centre."""


def intensity(bodies: Bodies, geometry: Geometry, parts: list[Part]) -> NDArray[np.float64]:
    """|F|² [electrons²] (ny, nx); fringes between parts are averaged over each pixel, as simulate.diffraction does."""
    q = geometry.q.reshape(-1, 3)
    fields = [bodies.field(part, q) for part in parts]
    total = np.zeros(len(q))
    for i, (first, a) in enumerate(zip(parts, fields, strict=True)):
        total += np.abs(a) ** 2
        for second, b in zip(parts[:i], fields[:i], strict=True):
            apart = first.place - second.place
            blur = [
                np.sinc(step.reshape(-1, 3) @ apart / (2 * np.pi)) for step in (geometry.q_step_x, geometry.q_step_y)
            ]
            total += 2 * (a * b.conj() * np.exp(1j * (q @ apart))).real * blur[0] * blur[1]
    return np.maximum(total, 0).reshape(geometry.shape)


def photons_per_fluence(bodies: Bodies, geometry: Geometry, n: int = 12) -> float:
    """Photons of a 70 nm virus in the live pixels at 1 photon/um2, mean over n orientations."""
    weight = geometry.photons_per_electron2()
    shots = [intensity(bodies, geometry, parts_of("single", REFERENCE_NM, seed)) for seed in range(n)]
    return float(np.mean([(weight * shot).sum() for shot in shots]))


def photons_of(
    rows: pd.DataFrame, bodies: Bodies, geometry: Geometry, detector: DetectorConfig | None
) -> NDArray[np.uint16]:
    """Counts (n, ny, nx) of rows of a plan; masked pixels count nothing. A detector of None adds nothing of its own."""
    weight = geometry.photons_per_electron2()
    frames = np.zeros((len(rows), *geometry.shape), np.uint16)
    seeds = states(rows["seed"].to_numpy(np.uint64), "photons")
    for frame, seed, row in zip(frames, seeds, rows.itertuples(), strict=True):
        parts = parts_of(row.kind, row.diameter_nm, int(row.seed))
        expected = row.fluence * weight * intensity(bodies, geometry, parts)
        if detector is not None:
            expected += added(detector, expected) * geometry.live
        frame[:] = np.minimum(np.random.Generator(np.random.PCG64(int(seed))).poisson(expected), SATURATION)
    return frames
