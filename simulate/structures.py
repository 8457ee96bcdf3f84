"""From a PDB entry, a file or a phantom to centred atoms, every choice explicit."""

import gzip
import re
import zlib
from collections import defaultdict
from itertools import groupby, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import gemmi
import numpy as np

from simulate import archive as pdb_archive
from simulate import phantoms
from simulate.atoms import Atoms
from simulate.config import ArchiveConfig, StructureConfig
from simulate.files import atomic_path
from simulate.form_factors import known_elements
from simulate.hydration import hydrated

FORMATS = {
    ".cif": gemmi.CoorFormat.Mmcif,
    ".mmcif": gemmi.CoorFormat.Mmcif,
    ".pdb": gemmi.CoorFormat.Pdb,
    ".ent": gemmi.CoorFormat.Pdb,
}

_UNREADABLE_COORDINATES = re.compile(rb"^(?:ATOM  |HETATM).{24}(?![-+.\d ]{24}).*$", re.MULTILINE)
_TAKEN, _REJECTED = "t", "r"
"""Flags of atoms with alternative positions."""


def load_atoms(config: StructureConfig, archive: ArchiveConfig) -> tuple[Atoms, dict[str, Any]]:
    """Centred atoms of one structure of the run, and a JSON-able record of what they are, its layer of water included.

    Raises
    ------
    FileNotFoundError where the entry or the file is nowhere to be found.
    KeyError for an unknown phantom.
    ValueError where the file is not what the config says, see `read_structure`.
    """
    dry, origin = _build(config) if config.source == "phantom" else _read(config, archive)
    atoms = dry
    if config.hydration_angstrom:
        atoms = hydrated(dry, config.hydration_angstrom, seed=zlib.crc32(config.id.encode())).centred()
    return atoms, {
        "id": config.id,
        "source": config.source,
        "is_phantom": config.source == "phantom",
        "stand_in_for": config.stand_in_for,
        **origin,
        "hydration_angstrom": config.hydration_angstrom,
        "waters_added": (len(atoms) - len(dry)) // 3,
        "n_atoms": len(atoms),
        "atoms_per_element": atoms.counts,
        "mass_kDa": atoms.mass_kDa,
        "electrons": atoms.electrons,
        "radius_nm": atoms.radius / 10,
        "extent_nm": atoms.extent / 10,
        "rg_nm": atoms.radius_of_gyration / 10,
    }


def read_structure(
    path: Path | str,
    *,
    pdb_id: str | None = None,
    assembly: str = "deposited",
    altlocs: Literal["first", "highest_occupancy"] = "first",
    waters: bool = False,
    hydrogens: bool = False,
    ligands: bool = True,
) -> Atoms:
    """Atoms of the first model of an mmCIF or PDB file, where the file puts them.

    Occupancies are as stored, with one exception: where one of several alternative positions is taken, its occupancy
    becomes 1, because in the one molecule that is hit the atom is somewhere, and we said where. Atoms of occupancy 0
    stay and scatter nothing. Deuterium is read as hydrogen.

    Parameters
    ----------
    path :      .cif, .mmcif, .pdb or .ent, plain or with .gz.
    pdb_id :    what the file must be, if it says what it is.
    assembly :  `deposited` for the atoms as stored, else the name of an assembly in the file.
    altlocs :   `first`: in each residue the alternative with the lowest label; `highest_occupancy`: the one of highest
                mean occupancy, and of equals the lowest label. An atom without it keeps the next one that it has.
    waters, hydrogens : keep them.
    ligands :   keep HETATM groups that are no amino acid, nucleotide or water: cofactors, ions, glycans.

    Raises
    ------
    FileNotFoundError where there is no file.
    ValueError for a damaged file, another entry than `pdb_id`, an unknown assembly, an element without form factor, or
    where nothing is left to scatter.
    """
    return _select(
        _parse(Path(path)),
        pdb_id=pdb_id,
        assembly=assembly,
        altlocs=altlocs,
        waters=waters,
        hydrogens=hydrogens,
        ligands=ligands,
    )


def write_structure(atoms: Atoms, path: Path | str) -> None:
    """Write atoms as mmCIF (.cif or .cif.gz), atomically, for `read_structure` and other programs.

    Positions keep nine digits; residues are of unknown type (UNK), eight atoms each.
    """
    path = Path(path)
    if not path.name.endswith((".cif", ".cif.gz")):
        raise ValueError(f"{path}: structures are written as .cif or .cif.gz")
    chain = gemmi.Chain("A")
    for start in range(0, len(atoms), 8):
        residue = gemmi.Residue()
        residue.name = "UNK"
        residue.seqid = gemmi.SeqId(start // 8 + 1, " ")
        residue.subchain = "A"
        for number, index in enumerate(range(start, min(start + 8, len(atoms))), start=1):
            atom = gemmi.Atom()
            atom.element = gemmi.Element(str(atoms.elements[index]))
            atom.name = f"{atom.element.name.upper()}{number}"
            atom.pos = gemmi.Position(*atoms.positions[index])
            atom.occ = float(atoms.occupancies[index])
            residue.add_atom(atom)
        chain.add_residue(residue)
    structure, model = gemmi.Structure(), gemmi.Model(1)
    model.add_chain(chain)
    structure.add_model(model)
    groups = gemmi.MmcifOutputGroups(False, atoms=True, group_pdb=True, block_name=True)
    content = structure.make_mmcif_document(groups).as_string().encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _build(config: StructureConfig) -> tuple[Atoms, dict[str, Any]]:
    assert config.phantom is not None, "StructureConfig requires it"
    return phantoms.build(config.phantom), {
        "phantom": config.phantom,
        "file": None,
        "sha256": None,
        "title": phantoms.named(config.phantom).description,
        "assembly": None,
    }


def _read(config: StructureConfig, archive: ArchiveConfig) -> tuple[Atoms, dict[str, Any]]:
    if config.source == "pdb":
        pdb_id = config.entry
        assert pdb_id is not None, "StructureConfig requires it"
        path = pdb_archive.fetch(pdb_id, archive)
    else:
        pdb_id = config.pdb_id
        assert config.path is not None, "StructureConfig requires it"
        path = config.path
    structure = _parse(path)
    choices = config.model_dump(include={"assembly", "altlocs", "waters", "hydrogens", "ligands"})
    return _select(structure, pdb_id=pdb_id, **choices).centred(), {
        "pdb_id": pdb_id,
        "file": path.name,
        "sha256": pdb_archive.sha256(path),
        "title": dict(structure.info).get("_struct.title"),
        **choices,
    }


def _parse(path: Path) -> gemmi.Structure:
    """The file as gemmi sees it, named by its path for the messages of errors."""
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in FORMATS:
        raise ValueError(f"{path}: a structure file ends in {', '.join(FORMATS)}, with or without .gz")
    content = pdb_archive.uncompressed(path)
    if FORMATS[suffix] is gemmi.CoorFormat.Pdb and (line := _UNREADABLE_COORDINATES.search(content)):
        # gemmi would read such a coordinate as 0
        raise ValueError(f"{path}: no coordinates in columns 31-54 of {line[0].decode(errors='replace')!r}")
    try:
        structure = gemmi.read_structure_string(content, format=FORMATS[suffix])
    except (ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"{path} cannot be read as a structure: {error}") from error
    structure.name = str(path)
    return structure


def _select(
    structure: gemmi.Structure,
    *,
    pdb_id: str | None,
    assembly: str,
    altlocs: str,
    waters: bool,
    hydrogens: bool,
    ligands: bool,
) -> Atoms:
    _check_entry(structure, pdb_id)
    if len(structure) == 0:
        raise ValueError(f"{structure.name}: the file holds no atoms")
    _reject_alternatives(structure[0], altlocs)
    known = known_elements()
    elements, positions, occupancies = [], [], []
    for chain in _assembly(structure, assembly):
        for residue in chain:
            if (residue.is_water() and not waters) or (_is_ligand(residue) and not ligands):
                continue
            for atom in residue:
                if atom.flag == _REJECTED or (atom.is_hydrogen() and not hydrogens):
                    continue
                symbol = "H" if atom.element.name == "D" else atom.element.name
                if symbol not in known:
                    raise ValueError(
                        f"{structure.name}: no form factor for element {symbol!r} of atom {atom.name!r} in "
                        f"{residue.name} {residue.seqid}, chain {chain.name}; name its element in the file or remove it"
                    )
                elements.append(symbol)
                positions.append(atom.pos.tolist())
                occupancies.append(atom.occ)
    if not any(occupancies):
        raise ValueError(f"{structure.name}: no atom with an occupancy above 0 is left after the choices made")
    return Atoms(np.array(elements), np.array(positions), np.array(occupancies))


def _check_entry(structure: gemmi.Structure, pdb_id: str | None) -> None:
    found = dict(structure.info).get("_entry.id", "").lower()
    if pdb_id is not None and found not in ("", pdb_id.lower(), f"pdb_0000{pdb_id.lower()}"):
        raise ValueError(f"{structure.name} is entry {found}, expected {pdb_id.lower()}; correct pdb_id or the file")


def _is_ligand(residue: gemmi.Residue) -> bool:
    kind = gemmi.find_tabulated_residue(residue.name)
    return residue.het_flag == "H" and not (kind.is_amino_acid() or kind.is_nucleic_acid() or residue.is_water())


def _reject_alternatives(model: gemmi.Model, choice: str) -> None:
    """Flag all but one alternative of each atom, and all but one residue where several share a place in the chain."""
    for chain in model:
        for _, place in groupby(chain, key=lambda residue: residue.seqid):
            labelled = [(residue.name, atom) for residue in place for atom in residue if atom.has_altloc()]
            if labelled:
                _reject_in_place(labelled, choice)


def _reject_in_place(labelled: list[tuple[str, gemmi.Atom]], choice: str) -> None:
    occupancies = defaultdict(list)
    for _, atom in labelled:
        occupancies[atom.altloc].append(atom.occ)
    order = sorted(occupancies)
    if choice == "highest_occupancy":
        order.sort(key=lambda label: -fmean(occupancies[label]))
    labelled.sort(key=lambda pair: order.index(pair[1].altloc))
    residue_taken = labelled[0][0]
    alternatives = defaultdict(list)
    for residue_name, atom in labelled:
        atom.flag = _REJECTED
        if residue_name == residue_taken:
            alternatives[atom.name].append(atom)
    only_residue = all(residue_name == residue_taken for residue_name, _ in labelled)
    for taken, *others in alternatives.values():
        taken.flag = _TAKEN
        if others or not only_residue:
            taken.occ = 1.0


def _assembly(structure: gemmi.Structure, name: str) -> gemmi.Model:
    if name == "deposited":
        return structure[0]
    known = {assembly.name: assembly for assembly in structure.assemblies}
    if name not in known:
        raise ValueError(f"{structure.name} has no assembly {name!r}; it has {sorted(known)} and 'deposited'")
    # REMARK 350 of old PDB files may continue its list of chains on a bare line, which gemmi passes over: 1MNF would
    # come out with 9 of its 28 chains.
    remarks = [line[11:].strip() for line in structure.raw_remarks if line.startswith("REMARK 350")]
    for line, following in pairwise(remarks):
        if "CHAINS:" in line and line.endswith(",") and "CHAINS:" not in following:
            raise ValueError(
                f"{structure.name}: REMARK 350 continues its list of chains in an old way ({following!r}) that would "
                "lose chains; use assembly 'deposited' or the entry's mmCIF file"
            )
    return gemmi.make_assembly(known[name], structure[0], gemmi.HowToNameCopiedChain.Dup)
