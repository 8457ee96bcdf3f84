"""From a PDB entry, a file or a phantom to centred atoms, every choice explicit."""

import gzip
import logging
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gemmi
import numpy as np

from frames.files import atomic_path
from simulate.molecules import pdb_archive, phantoms
from simulate.molecules.atoms import Atoms
from simulate.molecules.config import ArchiveConfig, StructureConfig, short_entry
from simulate.molecules.form_factors import known_elements
from simulate.molecules.hydration import hydrated
from simulate.molecules.pieces import Chained, random_piece
from simulate.molecules.reading import alternatives, kinds, mmcif, models, names, pdb_text
from simulate.molecules.reading.assemblies import assembled

log = logging.getLogger(__name__)

FORMATS: dict[str, kinds.Kind] = {".cif": "mmcif", ".mmcif": "mmcif", ".pdb": "pdb", ".ent": "pdb"}
"""What a suffix promises; `.pdb1`, `.pdb2`, ... are assemblies in PDB format."""

FARTHEST = 1e5
"""Of an atom from the origin of its file [Å]: ten micrometres, more than any virus."""


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
    models: Literal["first", "all"] = "first",
) -> Atoms:
    """Atoms of an mmCIF or PDB file, where the file puts them.

    Nothing is passed over in silence: what does not become an atom, or was guessed, is logged as a warning.

    Occupancies are as stored, with one exception: where one of several alternative positions is taken, its occupancy
    becomes 1, because in the one molecule that is hit the atom is somewhere, and we said where. Atoms of occupancy 0
    stay and scatter nothing. Deuterium is read as hydrogen.

    Parameters
    ----------
    path :      .cif, .mmcif, .pdb, .ent or .pdb1, plain or with .gz; the content decides which of them it is.
    pdb_id :    what the file must be, if it says what it is.
    assembly :  `deposited` for the atoms as stored, else the name of an assembly in the file.
    altlocs :   `first`: in each residue the alternative with the lowest label; `highest_occupancy`: the one of highest
                mean occupancy, and of equals the lowest label. An atom without it keeps the next one that it has.
    waters, hydrogens : keep them; waters by any of the names in simulate/molecules/reading/names.py.
    ligands :   keep ions, and HETATM groups that are no amino acid, nucleotide or water: cofactors, glycans.
    models :    `first`: of several, which are alternatives, as those of an NMR ensemble; `all`: they are copies that
                make up an assembly, as in the archive's .pdb1 files.

    Raises
    ------
    FileNotFoundError where there is no file.
    ValueError for a damaged file, another entry than `pdb_id`, an unknown assembly, an element without form factor or
    one that cannot be told, models that lie in each other where all are asked for, or where nothing is left to scatter.
    It names the file, and in it the line, row or atom.
    """
    found = _parse(Path(path))
    return _select(
        found,
        pdb_id=pdb_id,
        assembly=assembly,
        altlocs=altlocs,
        waters=waters,
        hydrogens=hydrogens,
        ligands=ligands,
        which_models=models,
    ).atoms


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
    found = _parse(path)
    choices = config.model_dump(include={"assembly", "altlocs", "waters", "hydrogens", "ligands"})
    whole = _select(found, pdb_id=pdb_id, **choices, which_models=config.models)
    title = dict(found.structure.info).get("_struct.title")
    atoms = whole.atoms.centred()
    if config.piece_of is not None:
        atoms, made = random_piece(whole, config.id)
        title = f"Made up of pieces of {config.piece_of}: {made}"
    return atoms, {
        "pdb_id": pdb_id,
        "file": path.name,
        "sha256": pdb_archive.sha256(path),
        "title": title,
        **({} if config.piece_of is None else {"piece_of": config.piece_of}),
        **choices,
        **({"reading": found.remarks} if found.remarks else {}),
    }


@dataclass
class _File:
    """A structure file as gemmi sees it once its content was checked."""

    path: Path
    structure: gemmi.Structure
    block: gemmi.cif.Block | None
    """Of an mmCIF file."""
    remarks: dict[str, Any] = field(default_factory=dict)
    """What was guessed or left out; of most files nothing."""

    def remark(self, key: str, value: Any, sentence: str) -> None:
        """Put on record, and say, what the file does not tell of itself."""
        self.remarks[key] = value
        log.warning("%s: %s", self.path, sentence)


def _parse(path: Path) -> _File:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in kinds.PACKED:
        raise ValueError(f"{path} is packed with {kinds.PACKED[suffix]}; unpack it, or pack it with gzip")
    if suffix not in FORMATS and not re.fullmatch(r"\.pdb\d+", suffix):
        raise ValueError(f"{path}: a structure file ends in {', '.join(FORMATS)}, with or without .gz")
    content = pdb_archive.uncompressed(path)
    try:
        text = kinds.text_of(content)
        if kinds.kind_of(text, expected=FORMATS.get(suffix, "pdb")) == "mmcif":
            structure, block, left_out, without_occupancy = mmcif.read(text)
            found = _File(path, structure, block)
        else:
            checked = pdb_text.checked(text)
            found = _File(path, _parse_pdb(checked), None)
            left_out, without_occupancy = checked.left_out, checked.without_occupancy
            if checked.guessed:
                found.remark(
                    "elements_guessed",
                    checked.guessed,
                    f"no element given for {checked.guessed} atoms: taken from the names of residues and atoms",
                )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if left_out:
        told = ", ".join(f"{number} {name}" for name, number in left_out.most_common())
        found.remark("pseudo_atoms_left_out", dict(left_out.most_common()), f"left out what is no atom: {told}")
    if without_occupancy:
        found.remark("occupancies_assumed", without_occupancy, "no occupancies given: every atom is taken as there")
    return found


def _parse_pdb(checked: pdb_text.PdbText) -> gemmi.Structure:
    if not checked.n_atoms and not checked.left_out:
        start = checked.content.lstrip()[:40].split(b"\n")[0].decode(errors="replace")
        raise ValueError(f"no atom with an occupancy above 0, nor any record ATOM or HETATM; it begins with {start!r}")
    try:
        structure = gemmi.read_structure_string(checked.content, format=gemmi.CoorFormat.Pdb)
    except (ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"cannot be read as a structure: {error}") from error
    found = sum(model.count_atom_sites() for model in structure)
    if found != checked.n_atoms:
        raise ValueError(f"{found} atoms read of {checked.n_atoms} records ATOM and HETATM; write the file again")
    return structure


def _select(
    found: _File,
    *,
    pdb_id: str | None,
    assembly: str,
    altlocs: str,
    waters: bool,
    hydrogens: bool,
    ligands: bool,
    which_models: str,
) -> Chained:
    structure, known = found.structure, known_elements()
    elements, positions, occupancies = [], [], []
    chains, residues = [], []
    n_chains = n_residues = -1
    try:
        _check_entry(structure, pdb_id)
        for model in _models(found, which_models, assembly):
            alternatives.reject(model, altlocs)
            assembly_of_model, absent = assembled(structure, model, assembly, found.block)
            if absent:
                sentence = f"assembly {assembly} without chains that the file does not have: {', '.join(absent)}"
                found.remark("chains_absent", absent, sentence)
            for chain in assembly_of_model:
                n_chains += 1
                for residue in chain:
                    n_residues += 1
                    if (not waters and _is_water(residue)) or (not ligands and _is_ligand(residue)):
                        continue
                    for atom in residue:
                        if atom.flag == alternatives.REJECTED or (atom.is_hydrogen() and not hydrogens):
                            continue
                        symbol = "H" if atom.element.name == "D" else atom.element.name
                        if symbol not in known:
                            raise ValueError(
                                f"no form factor for element {symbol!r} of atom {atom.name!r} in {residue.name} "
                                f"{residue.seqid}, chain {chain.name}; name its element in the file or remove it"
                            )
                        elements.append(symbol)
                        positions.append(atom.pos.tolist())
                        occupancies.append(atom.occ)
                        chains.append(n_chains)
                        residues.append(n_residues)
        if not any(occupancies):
            raise ValueError("no atom with an occupancy above 0 is left after the choices made")
        atoms = Atoms(np.array(elements), np.array(positions), np.array(occupancies))
        _check_places(found, atoms, assembly)
    except ValueError as error:
        raise ValueError(f"{found.path}: {error}") from error
    return Chained(atoms, np.array(chains), np.array(residues))


def _models(found: _File, choice: str, assembly: str) -> list[gemmi.Model]:
    """The models that make up the molecule."""
    chosen, sentence = models.chosen(found.structure, choice, assembly)
    if sentence:
        found.remark("models", {"read": len(chosen), "in_file": len(found.structure)}, sentence)
    return chosen


def _check_places(found: _File, atoms: Atoms, assembly: str) -> None:
    """Refuse places where no atoms can be."""
    positions = atoms.positions
    if np.abs(positions).max() > FARTHEST:
        index = int(np.abs(positions).max(axis=1).argmax())
        raise ValueError(f"an atom ({atoms.elements[index]}) at {positions[index].tolist()} Å; is its place a number?")
    if (unknown := (np.abs(positions) >= 9999).all(axis=1)).any():
        raise ValueError(
            f"{unknown.sum()} atoms at {positions[unknown][0].tolist()} Å, which programs write where a place is not "
            "known; remove them"
        )
    if assembly != "deposited" or found.remarks.get("models", {}).get("read", 1) > 1:
        return  # copies may meet on an axis of symmetry, where the archive gives each its share of the atom or not
    order = np.lexsort(positions.T)
    same = (np.diff(positions[order], axis=0) == 0).all(axis=1)
    crowded = same & (atoms.occupancies[order][:-1] + atoms.occupancies[order][1:] > 1.01)
    if crowded.any():
        number, here = int(crowded.sum()), positions[order[:-1][crowded]][0].tolist()
        sentence = f"{number} atoms lie exactly where another one is, the first at {here} Å"
        if number > 0.1 * len(atoms):
            raise ValueError(f"{sentence}; remove them, or say in the file which are alternatives")
        found.remark("coincident_atoms", number, f"{sentence}: they scatter twice")


def _is_water(residue: gemmi.Residue) -> bool:
    return residue.is_water() or (
        residue.name.upper() in names.WATERS
        and {atom.element.name for atom in residue} in ({"O"}, {"O", "H"}, {"O", "D"})
    )


def _check_entry(structure: gemmi.Structure, pdb_id: str | None) -> None:
    found = short_entry(dict(structure.info).get("_entry.id", ""))
    if pdb_id is not None and found not in ("", short_entry(pdb_id)):
        raise ValueError(f"is entry {found}, expected {short_entry(pdb_id)}; correct pdb_id or the file")


def _is_ligand(residue: gemmi.Residue) -> bool:
    kind = gemmi.find_tabulated_residue(residue.name)
    if len(residue) == 1 and names.ion(residue.name, residue[0].name) is not None:
        return True  # simulation programs write all as ATOM
    polymer = kind.is_amino_acid() or kind.is_nucleic_acid() or names.is_polymer(residue.name)
    return residue.het_flag == "H" and not (polymer or _is_water(residue))
