"""Unit cells, their reflections and structure factors, by gemmi.

Lengths of reciprocal vectors here are s = 1/d [1/Å], as crystallographers have them; q = 2π s.
"""

from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from frames.rng import mix, uniforms
from simulate.sfx.config import CrystalConfig

PROTEIN = {"C": 0.63, "N": 0.17, "O": 0.19, "S": 0.01}
"""Share of each element among a protein's atoms, hydrogen left out."""

VOLUME_PER_ATOM = 18.0
"""Of a protein's atoms but hydrogen [Å³]: 1.21 Å³/Da (Andersson & Hovmöller 1998, Acta Cryst. D54, 1422) and 14.5 Da
for each of them with its hydrogens."""

SOLVENT = 0.5
"""Share of a crystal's volume (Matthews 1968, J. Mol. Biol. 33, 491)."""


@dataclass(frozen=True)
class Crystal:
    """Reflections of one half of reciprocal space; the other half has the same intensities (Friedel's law)."""

    reciprocal: NDArray[np.float64]
    """(3, 3) columns a*, b*, c* [1/Å], in the crystal's own frame."""
    volume: float
    """Of the unit cell [Å³]."""
    hkl: NDArray[np.int16]
    """(n, 3) Miller indices."""
    intensity: NDArray[np.float32]
    """(n,) |F|² [electrons²]."""


def crystal(config: CrystalConfig, d_min: float) -> Crystal:
    """A crystal's reflections down to d_min [Å]: Wilson's statistics, or the structure of a PDB or mmCIF file.

    Raises
    ------
    ValueError for a cell that its space group does not allow, or a file that holds no crystal.
    """
    if config.structure is not None:
        cell, group, asu, intensity = _of_structure(config.structure, d_min)
    else:
        cell = gemmi.UnitCell(*config.cell)
        group = gemmi.SpaceGroup(config.space_group)
        if not cell.is_compatible_with_spacegroup(group):
            raise ValueError(f"a cell of {config.cell} does not fit the space group {config.space_group}")
        asu = gemmi.make_miller_array(cell, group, d_min)
        intensity = wilson(cell, group, asu, config.b_factor_A2, config.seed)
    hkl, intensity = whole(group, asu, intensity)
    reciprocal = np.array(cell.frac.mat.tolist()).T  # the rows of the fractionalisation matrix are a*, b*, c*
    return Crystal(reciprocal, cell.volume, hkl.astype(np.int16), intensity.astype(np.float32))


def wilson(
    cell: gemmi.UnitCell, group: gemmi.SpaceGroup, hkl: NDArray[np.int32], b_factor: float, seed: int
) -> NDArray[np.float64]:
    """(n,) intensities |F|² drawn as Wilson's statistics have them (Wilson 1949, Acta Cryst. 2, 318).

    ε Σ f² exp(-B s²/2) times an exponential number of mean 1, or, of centric reflections, the square of a normal one.
    Every reflection has its own number, whatever the others are.
    """
    operations = group.operations()
    s2 = np.asarray(cell.calculate_1_d2_array(hkl))
    n_atoms = cell.volume * (1 - SOLVENT) / VOLUME_PER_ATOM
    squared = sum(
        share * np.array([gemmi.Element(name).it92.calculate_sf(stol2) for stol2 in s2_grid()]) ** 2
        for name, share in PROTEIN.items()
    )
    mean = n_atoms * np.interp(s2 / 4, s2_grid(), squared) * np.exp(-b_factor * s2 / 2)
    bits = np.asarray(hkl, np.int64) + 2**15
    seeds = mix((bits[:, 0] << 32 | bits[:, 1] << 16 | bits[:, 2]).astype(np.uint64)) ^ mix(np.asarray(seed, np.uint64))
    u = uniforms(seeds, "structure_factor", 1)[:, 0]
    acentric, centric = -np.log(u), ndtri(u) ** 2
    is_centric = np.asarray(operations.centric_flag_array(hkl), bool)
    return mean * np.asarray(operations.epsilon_factor_array(hkl)) * np.where(is_centric, centric, acentric)


def s2_grid() -> NDArray[np.float64]:
    """(sin θ/λ)² [1/Å²] at which form factors are tabulated, down to d = .5 Å."""
    return np.linspace(0, 1, 2001)


def _of_structure(path: Path, d_min: float) -> tuple:
    structure = gemmi.read_structure(str(path))
    group = structure.find_spacegroup()
    if not structure.cell.is_crystal() or group is None:
        raise ValueError(f"{path} holds no crystal: it has no unit cell, or no space group")
    structure.setup_entities()
    density = gemmi.DensityCalculatorX()
    density.d_min, density.rate = d_min, 1.5
    density.set_refmac_compatible_blur(structure[0])
    density.grid.setup_from(structure)
    density.put_model_density_on_grid(structure[0])
    found = gemmi.transform_map_to_f_phi(density.grid).prepare_asu_data(dmin=d_min)
    hkl = np.array(found.miller_array)
    blur = np.exp(density.blur * np.asarray(structure.cell.calculate_1_d2_array(hkl)) / 2)
    return structure.cell, group, hkl, np.abs(np.array(found.value_array)) ** 2 * blur


def whole(
    group: gemmi.SpaceGroup, asu: NDArray[np.int32], intensity: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """From the reflections of an asymmetric unit to one half of reciprocal space, each reflection once.

    Returns
    -------
    hkl (n, 3) of which the first index that is not 0 is positive, ordered; intensities (n,).
    """
    images = []
    for op in group.operations().sym_ops:  # those without the centring, which changes no indices
        image = np.asarray(asu, np.int64) @ np.array(op.rot) // op.DEN
        first = image[np.arange(len(image)), (image != 0).argmax(axis=1)]
        images.append(image * np.sign(first)[:, None])
    key = (np.concatenate(images) + 2**15) @ np.array([2**32, 2**16, 1])
    unique, at = np.unique(key, return_index=True)
    hkl = np.stack([unique >> 32, unique >> 16 & 0xFFFF, unique & 0xFFFF], -1) - 2**15
    return hkl.astype(np.int32), np.tile(intensity, len(images))[at]
