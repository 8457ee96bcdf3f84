"""Several models in a file: alternatives of one molecule, as of an NMR ensemble, or copies that make up an assembly."""

import gemmi
import numpy as np
from scipy.spatial import cKDTree

OVERLAP = 1.0
"""Atoms other than hydrogen that are nearer than this cannot both be there [Å]: the shortest bonds are of 1.1 Å."""


def chosen(structure: gemmi.Structure, choice: str, assembly: str) -> tuple[list[gemmi.Model], str]:
    """The models that are one molecule, and what must be said of the choice, empty where there was none.

    Raises
    ------
    ValueError where all are asked for and are known to be alternatives, or copies are asked for twice.
    """
    models = list(structure)
    if len(models) < 2:
        return models, ""
    if choice == "first":
        return models[:1], f"read the first of {len(models)} models; if they are copies in an assembly, set models: all"
    if assembly != "deposited":
        raise ValueError(f"models: all and assembly: {assembly} both ask for copies; choose one of them")
    if "NMR" in dict(structure.info).get("_exptl.method", "").upper():
        raise ValueError(
            f"its {len(models)} models are alternatives that agree with NMR, not copies; set models: first"
        )
    sentence = f"joined {len(models)} models, as asked for"
    if (crowded := _crowded(models)) > 0.1:
        sentence += (
            f"; {crowded:.0%} of their atoms lie within {OVERLAP:g} Å of another model's: are they alternatives?"
        )
    return models, sentence


def _crowded(models: list[gemmi.Model]) -> float:
    """The share of the atoms behind the first model that lie within OVERLAP of an atom of a model before theirs."""
    first, *others = (np.array([a.pos.tolist() for c in m for r in c for a in r]).reshape(-1, 3) for m in models)
    near = 0
    for other in others:
        near += int((cKDTree(first).query(other, distance_upper_bound=OVERLAP)[0] < OVERLAP).sum())
        first = np.concatenate([first, other])
    return near / max(1, sum(map(len, others)))
