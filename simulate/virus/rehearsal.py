"""Frames that a network for one virus may learn from beside labelled ones: of viruses of several make-ups."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.geometry import Geometry
from frames.readout.config import ReadoutConfig
from frames.readout.readout import read
from frames.rng import states, uniforms
from simulate.virus.bodies import Bodies
from simulate.virus.config import DetectorConfig, RehearsalConfig, VirusConfig, VirusSimulationConfig
from simulate.virus.detector import readout_of
from simulate.virus.images import photons_of, photons_per_fluence
from simulate.virus.plan import seeds_of, shots_of

AT_ONCE = 64
"""Frames that are made together."""


@dataclass(frozen=True)
class Rehearsed:
    """Some simulated frames with what was hit."""

    frames: NDArray[np.float32]
    """(n, ny, nx) photons, as the detector reads them"""
    kind: NDArray[np.str_]
    """(n,) of `simulate.virus.kinds.KINDS`"""


def made_up(config: RehearsalConfig) -> list[VirusConfig]:
    """A virus of each make-up: densities and depths of the layers off those of the literature."""
    known, found = VirusConfig(), []
    for seed in seeds_of(config.seed, "made up", config.viruses):
        u = 1 + config.off * (2 * uniforms(np.array([seed], np.uint64), "species", 6)[0] - 1)
        layers = [1 - (1 - known.membrane_from) * u[4], 1 - (1 - known.core_from) * u[5]]
        found.append(
            VirusConfig(
                diameter_nm=config.diameter_nm,
                capsid=known.capsid * u[0],
                membrane=known.membrane * u[1],
                core=known.core * u[2],
                droplet=known.droplet * u[3],
                membrane_from=max(layers),
                core_from=min(layers),
            )
        )
    return found


def rehearsed(config: RehearsalConfig, geometry: Geometry, detector: DetectorConfig | None) -> Iterator[Rehearsed]:
    """All shots, AT_ONCE at a time.

    Parameters
    ----------
    detector : what it adds to photons and how it reads them; None of recorded frames, which are whole photons: nothing.
    """
    readout = ReadoutConfig() if detector is None else readout_of(detector)
    seeds = seeds_of(config.seed, "rehearsal", config.shots)
    for number, virus in enumerate(made_up(config)):
        bodies = Bodies.of(virus, geometry.q_max)
        asked = VirusSimulationConfig(
            shots={"train": 1, "validation": 1, "test": 1}, photons=config.photons, kinds=config.kinds, virus=virus
        )
        mine = pd.DataFrame({"split": "train", "seed": seeds[number :: config.viruses]})
        table = shots_of(mine, asked, photons_per_fluence(bodies, geometry))
        for start in range(0, len(table), AT_ONCE):
            rows = table.iloc[start : start + AT_ONCE]
            of_rows = rows["seed"].to_numpy(np.uint64)
            counts = photons_of(rows, bodies, geometry, detector) + halos(of_rows, config, geometry)
            frames = read(counts, readout, of_rows, geometry.live)
            yield Rehearsed(frames, rows["kind"].to_numpy(str))


def halos(seeds: NDArray[np.uint64], config: RehearsalConfig, geometry: Geometry) -> NDArray[np.uint16]:
    """(n, ny, nx) photons that do not come from the particle, fewer and fewer from the beam on, one seed a frame."""
    u, q = uniforms(seeds, "background", 2), np.linalg.norm(geometry.q, axis=-1)
    low, high = config.halo_reach
    expected = [
        config.halo_photons * strength * geometry.live * np.exp(-q / (geometry.q_max * low * (high / low) ** reach))
        for strength, reach in u
    ]
    drawn = [
        np.random.Generator(np.random.PCG64(int(seed))).poisson(one)
        for seed, one in zip(states(seeds, "background"), expected, strict=True)
    ]
    return np.asarray(drawn, np.uint16)
