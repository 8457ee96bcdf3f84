"""The plan of an experiment on a virus: what each shot hits, and what a person would call it.

A row's seed is a function of the plan's seed, the split and the row's number in it; all else of the row follows from
it, so a shot stays what it was when others are added.
"""

import zlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.labels import SPLITS
from frames.rng import mix, uniforms
from simulate.virus.config import AnnotatorConfig, VirusSimulationConfig
from simulate.virus.kinds import KINDS

REFERENCE_NM = 70.0
"""Circumdiameter of the virus that `photons` is told of."""


def plan(config: VirusSimulationConfig, photons_per_fluence: float) -> pd.DataFrame:
    """A row per shot, ordered by split.

    Parameters
    ----------
    photons_per_fluence : photons of a 70 nm virus in the live pixels, at 1 photon/um2; `frames.photons_per_fluence`.

    Returns
    -------
    frame, split, seed, kind, truth, manual, diameter_nm (circumdiameter of viruses, diameter of droplets, equal-volume
    diameter of ellipsoids; NaN of empty shots), fluence [photons/um2].
    """
    parts = [
        pd.DataFrame({"split": split, "seed": seeds_of(config.seed, split, n)})
        for split, n in sorted(config.shots.items(), key=lambda item: SPLITS.index(item[0]))
    ]
    return shots_of(pd.concat(parts, ignore_index=True), config, photons_per_fluence)


def seeds_of(seed: int, name: str, n: int) -> NDArray[np.uint64]:
    """(n,) of the rows of a split of this name, or of another set of shots, of a plan of this seed."""
    with np.errstate(over="ignore"):
        start = mix(np.array(seed, np.uint64)) ^ np.uint64(zlib.crc32(name.encode()))
        return np.asarray(mix(np.asarray(mix(start) + np.arange(n, dtype=np.uint64), np.uint64)))


def shots_of(table: pd.DataFrame, config: VirusSimulationConfig, photons_per_fluence: float) -> pd.DataFrame:
    """Rows with a seed, and all else of `plan` that follows from it."""
    seeds = table["seed"].to_numpy(np.uint64)
    names = [kind for kind in KINDS if config.kinds.get(kind, 0) > 0]
    edges = np.cumsum([config.kinds[kind] for kind in names])
    which = np.minimum(np.searchsorted(edges, uniforms(seeds, "species", 1)[:, 0]), len(names) - 1)
    kind = np.array(names)[which]
    low, high = config.photons
    photons = low * (high / low) ** uniforms(seeds, "fluence", 1)[:, 0]
    size = uniforms(seeds, "placement", 1)[:, 0]
    virus = config.virus.diameter_nm[0] + size * (config.virus.diameter_nm[1] - config.virus.diameter_nm[0])
    diameter = np.where(np.isin(kind, ("droplet", "ellipsoid")), 30 * 5.0**size, virus)  # 30-150 nm, log-uniform
    table.insert(0, "frame", np.arange(len(table)))
    return table.assign(
        kind=kind,
        truth=np.where(kind == "single", "single", "other"),
        manual=np.where(annotated(kind, photons, seeds, config.annotator), "single", "other"),
        diameter_nm=np.where(kind == "empty", np.nan, diameter),
        fluence=photons / photons_per_fluence,
    )


def annotated(
    kind: NDArray[np.str_], photons: NDArray, seeds: NDArray[np.uint64], config: AnnotatorConfig
) -> NDArray[np.bool_]:
    """Whether a person calls each shot a single hit, (n,); `photons` are those of a 70 nm virus in its place."""
    rise = 1 / (1 + np.exp(-(np.log(photons / config.half_photons)) / config.width))
    taken = np.array([config.takes.get(name, 0.0) for name in KINDS])[[KINDS.index(name) for name in kind]]
    chance = np.where(kind == "single", config.recall * rise, taken)
    return uniforms(seeds, "annotator", 1)[:, 0] < chance


def confusion(table: pd.DataFrame) -> pd.DataFrame:
    """Shots of each kind that the annotator calls single: kind, shots, called_single, share."""
    called = table["manual"] == "single"
    counts = called.groupby(table["kind"]).agg(["size", "sum", "mean"]).reindex(KINDS).dropna()
    return counts.set_axis(["shots", "called_single", "share"], axis=1).astype({"shots": int}).reset_index()
