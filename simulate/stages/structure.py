"""A molecule, found, read and checked."""

from pathlib import Path

from frames.files import write_json
from simulate.molecules import structures
from simulate.molecules.config import ArchiveConfig, StructureConfig


def make_structure(config: StructureConfig, archive: ArchiveConfig, atoms_file: Path, record_file: Path) -> None:
    """A structure of the config -> its centred atoms (.npz) and what is known of them (.json)."""
    atoms, record = structures.load_atoms(config, archive)
    atoms.save(atoms_file)
    write_json(record_file, record)
