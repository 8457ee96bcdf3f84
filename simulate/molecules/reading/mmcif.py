"""The atoms of an mmCIF file, every row accounted for."""

import re
import string
from collections import Counter

import gemmi
import numpy as np

from simulate.molecules.reading import kinds, names

_CORE_TAGS = ("_atom_site_fract_x", "_atom_site_label")
"""Of small-molecule crystallography, whose dictionary has no dots."""

_NEEDED = ("id", "type_symbol", "label_alt_id", "label_asym_id", "Cartn_x", "Cartn_y", "Cartn_z")
"""Columns of _atom_site without any of which the parser finds no atom at all."""

_LABELS = "".join(sorted(string.digits + string.ascii_letters))
"""Of alternative positions, as the parser has them: in ascending order."""


def read(text: bytes) -> tuple[gemmi.Structure, gemmi.cif.Block, Counter[str], int]:
    """The structure of the one block that has atoms, and that block.

    Returns
    -------
    Structure, block, the pseudo-atoms that were left out, by name, and how many atoms were given an occupancy of 1
    because the file has none at all.

    Raises
    ------
    ValueError for text that is no CIF, no or several blocks with atoms, a row without a finite position or an occupancy
    from 0 to 1, an element that its names contradict.
    """
    try:
        document = gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        # "data" is the parser's name for text that it is given.
        said = re.sub(r"^data:(\d+)(:\d+\(\d+\))?", r"line \1", str(error))
        raise ValueError(f"cannot be read as mmCIF: {said}") from error
    blocks = [block for block in document if "_atom_site." in block.get_mmcif_category_names()]
    if not blocks:
        raise ValueError(f"no structure but {kinds.without_atoms([b.name for b in document], _categories(document))}")
    if len(blocks) > 1:
        raise ValueError(
            f"{len(blocks)} data blocks with atoms, {', '.join(block.name for block in blocks)}: several structures in "
            "one file; keep one of them"
        )
    block = blocks[0]
    if missing := [tag for tag in _NEEDED if not len(block.find_values(f"_atom_site.{tag}"))]:
        raise ValueError(f"_atom_site has no column {', '.join(missing)}; add it, or fetch the entry again")
    _check_positions(block)
    without_occupancy = _check_occupancies(block)
    beside = _check_names(block)
    _shorten_labels(block)
    try:
        structure = gemmi.make_structure_from_block(block)
    except (ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"cannot be read as a structure: {error}") from error
    found, rows = sum(model.count_atom_sites() for model in structure), len(block.find_values("_atom_site.Cartn_x"))
    if found != rows:
        raise ValueError(f"{found} atoms read of {rows} rows of _atom_site; write the file again")
    return structure, block, _without(structure, beside), without_occupancy


def _categories(document: gemmi.cif.Document) -> set[str]:
    """`_refln.` and the like; of tags without a dot the tag itself."""
    tags = {tag for block in document for tag in block.get_mmcif_category_names()}
    return tags | {tag for block in document for tag in _CORE_TAGS if len(block.find_values(tag))}


def _numbers(values: list[str]) -> np.ndarray:
    """CIF numbers, perhaps with their uncertainty in brackets; what is none is NaN."""
    try:
        return np.array(values, dtype=np.float64)
    except ValueError:
        return np.array([gemmi.cif.as_number(value) for value in values])


def _check_positions(block: gemmi.cif.Block) -> None:
    for axis in "xyz":
        values = list(block.find_values(f"_atom_site.Cartn_{axis}"))
        bad = np.flatnonzero(~np.isfinite(_numbers(values)))
        if len(bad):
            raise ValueError(
                f"row {bad[0] + 1} of _atom_site: Cartn_{axis} is {values[bad[0]]!r}, expected a number; remove atoms "
                "whose place is not known"
            )


def _check_occupancies(block: gemmi.cif.Block) -> int:
    """How many atoms are without occupancy: none or all."""
    values = list(block.find_values("_atom_site.occupancy"))
    missing = [gemmi.cif.is_null(value) for value in values]
    if all(missing):
        return len(block.find_values("_atom_site.Cartn_x"))
    occupancies = _numbers([value for value in values if not gemmi.cif.is_null(value)])
    if any(missing) or not (np.isfinite(occupancies) & (occupancies >= 0) & (occupancies <= 1)).all():
        numbers = _numbers(["nan" if absent else value for value, absent in zip(values, missing, strict=True)])
        row = int(np.flatnonzero(~((numbers >= 0) & (numbers <= 1)))[0])
        raise ValueError(
            f"row {row + 1} of _atom_site: occupancy {values[row]!r}, expected a number from 0 to 1; correct the file"
        )
    return 0


def _shorten_labels(block: gemmi.cif.Block) -> None:
    """Labels of alternatives as single characters in the order of their names, where a file has longer ones."""
    column = block.find_values("_atom_site.label_alt_id")
    names = sorted({gemmi.cif.as_string(value) for value in column if not gemmi.cif.is_null(value)})
    if all(len(name) == 1 for name in names):
        return
    if len(names) > len(_LABELS):
        raise ValueError(f"{len(names)} labels in _atom_site.label_alt_id, at most {len(_LABELS)} are told apart")
    short = dict(zip(names, _LABELS, strict=False))
    for row, value in enumerate(column):
        if not gemmi.cif.is_null(value):
            column[row] = short[gemmi.cif.as_string(value)]


def _check_names(block: gemmi.cif.Block) -> set[tuple[str, str]]:
    """(residue, atom) names of pseudo-atoms; ValueError where element and names contradict each other."""

    def column(*tags: str) -> list[str]:
        for tag in tags:
            if len(values := block.find_values(f"_atom_site.{tag}")):
                return [gemmi.cif.as_string(value) for value in values]
        raise ValueError(f"_atom_site has none of the columns {', '.join(tags)}")

    atoms = column("auth_atom_id", "label_atom_id")
    residues = column("auth_comp_id", "label_comp_id")
    symbols = column("type_symbol")
    beside = set()
    for residue, atom, symbol in dict.fromkeys(zip(residues, atoms, symbols, strict=True)):
        if residue.upper() in names.PSEUDO_RESIDUES or names.is_virtual_site(residue, atom, symbol):
            beside.add((residue, atom))
            continue
        if names.is_bead(residue, atom):
            raise ValueError(f"{atom} of {residue} is no atom but a bead of a coarse-grained model, which has none")
        told = names.element(residue, atom)
        if told is not None and names.contradicts(symbol, told):
            raise ValueError(f"{atom} of {residue} is {symbol!r} in _atom_site.type_symbol, but must be {told!r}")
    return beside


def _without(structure: gemmi.Structure, beside: set[tuple[str, str]]) -> Counter[str]:
    """Remove the atoms of these names."""
    removed: Counter[str] = Counter()
    if beside:
        for model in structure:
            for chain in model:
                for residue in chain:
                    for place in reversed(range(len(residue))):
                        name = residue[place].name
                        if (residue.name, name) in beside:
                            removed[residue.name if residue.name in names.PSEUDO_RESIDUES else name] += 1
                            del residue[place]
    return removed
