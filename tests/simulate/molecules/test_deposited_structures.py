"""Entries of the archive as they were deposited: their atoms, mass and size, and a chain list that is broken."""

from pathlib import Path

import numpy as np
import pytest

from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.structures import load_atoms, read_structure

# Real entries: heavy atoms, kDa with 7.5 % for hydrogens, extent and Rg [nm], from the README of their folder.

DEPOSITED = {
    "2bfu": (4343, 62, 10.1, 2.68),
    "4v1w": (32736, 464, 13.4, 5.28),
    "1oel": (26929, 384, 15.2, 5.34),
    "4a0v": (59707, 850, 20.4, 7.18),
    "1aon": (58870, 839, 20.8, 6.84),
    "3cf3": (17139, 244, 15.5, 4.45),
    "3kg2": (22686, 322, 19.2, 5.71),
    "7bnn": (25775, 366, 18.9, 5.32),
    "6m17": (25336, 359, 22.0, 6.56),
    "6nb6": (25783, 367, 21.7, 5.71),
    "6nb7": (24718, 352, 22.1, 6.20),
    "6vxx": (23694, 336, 16.1, 4.80),
    "6vyb": (22365, 317, 17.7, 4.82),
    "6vsb": (22854, 324, 17.6, 4.87),
    "6xr8": (27624, 393, 18.7, 5.11),
    "6zp7": (23615, 336, 18.8, 4.96),
    "7dk3": (24838, 352, 17.7, 5.05),
    "6m15": (23400, 333, 15.9, 4.64),
    "6wps": (28116, 399, 17.7, 5.29),
    "6m1d": (21776, 309, 19.2, 6.15),
    "1gru": (58688, 836, 20.8, 6.85),
    "1mnf": (55552, 792, 18.8, 6.34),
    "1bxn": (18144, 258, 13.1, 4.22),
    "1e6v": (19222, 274, 12.7, 3.77),
}
ASSEMBLIES = {
    "2bfu": (260580, 3709, 31.8, 12.46),
    "1oel": (53858, 767, 18.9, 6.36),
    "3cf3": (34278, 488, 16.8, 5.29),
    "1bxn": (36288, 516, 13.5, 4.61),
}


@pytest.mark.parametrize(
    ("pdb_id", "assembly", "expected"),
    [(i, "deposited", e) for i, e in DEPOSITED.items()] + [(i, "1", e) for i, e in ASSEMBLIES.items()],
)
def test_real_entry_has_its_atoms_mass_and_size(
    structures_folder: Path, tmp_path: Path, pdb_id: str, assembly: str, expected: tuple[int, int, float, float]
) -> None:
    config = StructureConfig(id=pdb_id, assembly=assembly)
    archive = ArchiveConfig(mirrors=(structures_folder,), lock_file=tmp_path / "lock.json", servers=())
    atoms, record = load_atoms(config, archive)
    heavy_atoms, mass_kDa, extent_nm, rg_nm = expected
    assert record["n_atoms"] == heavy_atoms
    # half a unit of the last digit given
    assert record["mass_kDa"] * 1.075 == pytest.approx(mass_kDa, abs=0.501)
    assert record["extent_nm"] == pytest.approx(extent_nm, abs=0.0501)
    assert record["rg_nm"] == pytest.approx(rg_nm, abs=0.00501)
    assert np.abs(atoms.positions.mean(axis=0)).max() < 1e-9


def test_real_entry_with_a_broken_chain_list_is_refused(structures_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"1mnf\.pdb\.gz: REMARK 350"):
        read_structure(structures_folder / "1mnf.pdb.gz", assembly="1")
