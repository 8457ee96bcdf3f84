"""PDB files as simulation programs and people write them: read as they are meant, or refused with the line."""

import logging
import re
from pathlib import Path

import numpy as np
import pytest

from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.structures import load_atoms, read_structure
from support.made.pdb_lines import C, N, line, written


def lines(*atoms: tuple[str, str], element: str = "") -> str:
    return "".join(line(name, residue, 2.0 * k, element) for k, (name, residue) in enumerate(atoms))


def elements(folder: Path, *atoms: tuple[str, str]) -> list[str]:
    return read_structure(written(folder, lines(*atoms)), hydrogens=True, waters=True).elements.tolist()


# Columns


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    1  N ", "*****  N "),
        ("    1  N ", "186a0  N "),  # hexadecimal, as VMD counts on
        ("    1  N ", "A0000  N "),  # hybrid-36
        ("ATOM      1  N ", "ATOM 100000  N "),  # in a blank of the format
        ("A   1    ", "A10000   "),
        ("A   1    ", "AA000    "),
        ("A   1    ", "A****    "),
        ("A   1    ", "A        "),
    ],
)
def test_numbers_of_atoms_and_residues_are_not_places(tmp_path: Path, old: str, new: str) -> None:
    atoms = read_structure(written(tmp_path, N.replace(old, new) + C))
    np.testing.assert_array_equal(atoms.positions, [[1, 2, 3], [5, 2, 3]])


@pytest.mark.parametrize(
    ("fields", "position"),
    [
        ("-999.999-999.999-999.999", (-999.999, -999.999, -999.999)),
        ("1000.1231000.456-999.789", (1000.123, 1000.456, -999.789)),
        ("-1200.12-1012.35-1006.79", (-1200.12, -1012.35, -1006.79)),  # fewer decimals, so that it fits
        ("   1.0     2.5    -3    ", (1, 2.5, -3)),
    ],
)
def test_coordinates_within_their_columns_are_read(
    tmp_path: Path, fields: str, position: tuple[float, float, float]
) -> None:
    atoms = read_structure(written(tmp_path, N.replace("   1.000   2.000   3.000", fields) + C))
    np.testing.assert_allclose(atoms.positions[0], position, rtol=1e-12)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("   1.000   2.000   3.000", "-1200.123-1012.345-1006.789"),
        ("   1.000   2.000   3.000", "10000.12310000.123   3.000"),
        ("   1.000   2.000   3.000", "10000.1235000.1236000.123"),
        ("    1.000", "-12345.123"[1:]),
        ("      1.000   2", " -12345.123   2"[1:]),
        ("   2.000", "        "),
        ("   2.000", "     nan"),
        ("   2.000", " 1.0e+05"),
        ("   3.000  1.00", "  13.4233     "),
        ("A   1    ", "A10000    "),
        ("A   1    ", "A100000  "),
        ("ATOM      1", "ATOM  100000"),
        (N, "ATOM 1 N ALA A 1 1.000 2.000 3.000 1.00 20.00 N\n"),
        ("ATOM", " ATOM"),
        (N, "ATOM      1  N\n"),
        (N, "ATOM\n"),
        ("1  N   ALA", "1\tN   ALA"),
    ],
)
def test_columns_that_shifted_are_refused_with_the_line(tmp_path: Path, old: str, new: str) -> None:
    assert old in N
    with pytest.raises(ValueError, match=r"some\.pdb: line 3: "):
        read_structure(written(tmp_path, "REMARK\n" + C + N.replace(old, new)))


@pytest.mark.parametrize("value", ["  1.01", "100.00", " -0.50", "******", "   inf", "   nan", "  1.0x", "0.3755"])
def test_occupancies_that_cannot_be_are_refused_with_the_line(tmp_path: Path, value: str) -> None:
    rest = "55 1.8" if value == "0.3755" else " 20.00"  # a PQR file, whose charge goes on where a B-factor begins
    with pytest.raises(ValueError, match=r"line 2: occupancy .* expected a number from 0 to 1"):
        read_structure(written(tmp_path, C + N.replace("  1.00 20.00", f"{value}{rest}")))


def test_a_file_without_any_occupancy_is_of_whole_atoms_and_that_is_recorded(tmp_path: Path) -> None:
    path = written(tmp_path, (N + C).replace("  1.00 20.00", "            "))
    atoms, record = load_atoms(StructureConfig(id="some", source="file", path=path), ArchiveConfig())
    assert atoms.occupancies.tolist() == [1, 1]
    assert record["reading"] == {"occupancies_assumed": 2}
    with pytest.raises(ValueError, match="line 2: no occupancy in columns 55-60, where other atoms have one"):
        read_structure(written(tmp_path, N + C.replace("  1.00 20.00", "            ")))


# Records


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + (N + C).encode(),
        (N + C).encode("utf-16"),
        b"\xfe\xff" + (N + C).encode("utf-16-be"),
        (N + C).replace("\n", "\r").encode(),
        (N + C).replace("\n", "\r\n").encode(),
        (N + C).replace("ATOM", "atom").encode(),
        (N.rstrip() + " " * 60 + "more\n" + C).encode(),
        (N + "TER\n" + C + "END\n\nEND   \n").encode(),
        *(f"REMARK {'x' * k}\n{N}{C}".encode() for k in range(70, 140)),
    ],
)
def test_every_atom_is_read_however_lines_end_and_files_begin(tmp_path: Path, content: bytes) -> None:
    assert read_structure(written(tmp_path, content)).elements.tolist() == ["N", "C"]


@pytest.mark.parametrize("between", ["END\n", "END\nREMARK the next file\n", "ENDMDL\nEND\nMODEL        2\n"])
def test_atoms_behind_the_end_are_not_passed_over(tmp_path: Path, between: str) -> None:
    with pytest.raises(ValueError, match=r"line \d: an atom behind END in line \d"):
        read_structure(written(tmp_path, N + between + C))


def test_a_file_written_twice_is_refused_and_a_single_coincidence_recorded(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"2 atoms lie exactly where another one is, the first at \[1\.0, 2\.0, 3\.0\]"
    ):
        read_structure(written(tmp_path, N + C + N + C))
    many = "".join(line(" CA ", "GLY", 3.0 * k, "C") for k in range(30))
    path = written(tmp_path, many + line(" CB ", "ALA", 0, "C"))
    _, record = load_atoms(StructureConfig(id="some", source="file", path=path), ArchiveConfig())
    assert record["reading"] == {"coincident_atoms": 1}


@pytest.mark.parametrize("place", ["9999.0009999.0009999.000", "9999.9999999.9999999.999"])
def test_places_that_stand_for_none_are_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match=r"1 atoms at .* not known"):
        read_structure(written(tmp_path, C + N.replace("   1.000   2.000   3.000", place)))


# Elements


def test_elements_come_from_the_residue_where_names_begin_in_column_13(tmp_path: Path) -> None:
    atoms = [("CA", "GLN"), ("HG1", "THR"), ("CD", "PRO"), ("NE", "ARG"), ("SG", "CYX"), ("OT1", "ALA"), ("CE1", "HSD")]
    assert elements(tmp_path, *atoms) == ["C", "H", "C", "N", "S", "O", "C"]
    assert elements(tmp_path, ("SE", "MSE"), ("SD", "MET"), ("P", "DA"), ("1HG2", "VAL"), ("HG11", "VAL")) == [
        "Se", "S", "P", "H", "H",
    ]  # fmt: skip
    assert elements(tmp_path, ("CA", "NALA"), ("CD", "LYSH"), ("CA", "SEP"), ("NE2", "NHIE")) == ["C", "C", "C", "N"]


@pytest.mark.parametrize(
    ("name", "residue", "element"),
    [
        ("SOD", "SOD", "Na"), ("CLA", "CLA", "Cl"), ("POT", "POT", "K"), ("CAL", "CAL", "Ca"), ("CES", "CES", "Cs"),
        ("Na+", "Na+", "Na"), ("Cl-", "Cl-", "Cl"), ("K+", "K+", "K"), ("MG2+", "MG2+", "Mg"), ("ZN", "ZN2", "Zn"),
        ("NA", "NA", "Na"), (" CA", "CA", "Ca"), ("CA", "CA", "Ca"), (" K", "K", "K"), (" CL", "CL", "Cl"),
    ],
)  # fmt: skip
def test_ions_by_the_names_of_all_programs(tmp_path: Path, name: str, residue: str, element: str) -> None:
    assert elements(tmp_path, (name, residue)) == [element]
    path = written(tmp_path, lines((name, residue)) + C)
    assert read_structure(path, ligands=False).elements.tolist() == ["C"], "an ion is a ligand in an ATOM record, too"


def test_chlorophyll_is_no_chloride(tmp_path: Path) -> None:
    assert elements(tmp_path, ("MG", "CLA"), (" CHA", "CLA"), (" NA ", "CLA"), (" C1", "CLA")) == ["Mg", "C", "N", "C"]


def test_columns_tell_the_element_of_a_ligand_unless_all_names_begin_in_column_13(tmp_path: Path) -> None:
    assert elements(tmp_path, (" C1", "LIG"), (" CA", "LIG"), ("CL", "LIG"), ("FE", "LIG")) == ["C", "C", "Cl", "Fe"]
    assert elements(tmp_path, ("C1", "LIG"), ("O2'", "LIG"), ("HN11", "LIG")) == ["C", "O", "H"]
    with pytest.raises(ValueError, match="line 3: "):  # however short the lines behind it are
        read_structure(written(tmp_path, lines((" C1", "LIG"), (" CA", "LIG")) + "ATOM\n"))
    for atoms in ([("C1", "LIG"), ("CA", "LIG")], [("N", "ALA"), ("NA", "HEM")], [(" C1", "LIG"), (" CL", "LIG")]):
        with pytest.raises(ValueError, match=f"line 2: no element in columns 77-78, and {atoms[1][0].strip()} of"):
            elements(tmp_path, *atoms)


@pytest.mark.parametrize(("name", "residue"), [("QB", "ALA"), ("X", "UNK"), ("CL12", "LIG"), ("GL1", "POPC")])
def test_an_element_that_cannot_be_told_is_refused(tmp_path: Path, name: str, residue: str) -> None:
    with pytest.raises(ValueError, match=f"line 1: no element in columns 77-78, and .*{name}"):
        elements(tmp_path, (name, residue))


def test_guesses_are_counted_recorded_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, N + C[:66] + "\n")
    with caplog.at_level(logging.WARNING):
        atoms, record = load_atoms(StructureConfig(id="some", source="file", path=path), ArchiveConfig())
    assert atoms.elements.tolist() == ["N", "C"]
    assert record["reading"] == {"elements_guessed": 1}
    assert "no element given for 1 atoms" in caplog.text


@pytest.mark.parametrize(
    ("name", "residue", "given", "told"),
    [("CA", "ALA", "CA", "C"), ("HG", "SER", "HG", "H"), ("CD1", "LEU", "CD", "C"), ("CLA", "CLA", "C", "Cl")],
)
def test_an_element_that_its_names_contradict_is_refused(
    tmp_path: Path, name: str, residue: str, given: str, told: str
) -> None:
    with pytest.raises(
        ValueError, match=f"line 2: element {given} in columns 77-78, but {name} of {residue} is {told}"
    ):
        read_structure(written(tmp_path, N + line(name, residue, 7, given)))


# What is no atom, and water


def test_pseudo_atoms_are_left_out_and_recorded(tmp_path: Path) -> None:
    plane = "HETATM   10  N   DUM    10     -50.000  -6.000 -13.4233                         \n"
    path = written(tmp_path, N + C + plane + plane.replace(" N  ", " O  ") + lines(("LP1", "LIG"), ("EPW", "WAT")))
    atoms, record = load_atoms(StructureConfig(id="some", source="file", path=path), ArchiveConfig())
    assert atoms.elements.tolist() == ["N", "C"]
    assert record["reading"] == {"pseudo_atoms_left_out": {"DUM": 2, "LP1": 1, "EPW": 1}}


@pytest.mark.parametrize("element", ["", "B", "S"])
@pytest.mark.parametrize(("name", "residue"), [("BB", "ALA"), ("SC1", "TRP"), ("SC4", "TRP"), ("W", "W")])
def test_beads_are_refused_by_name(tmp_path: Path, name: str, residue: str, element: str) -> None:
    with pytest.raises(ValueError, match=f"{name} of {residue} is no atom but a bead"):
        read_structure(written(tmp_path, lines((name, residue), element=element)))


WATERS = """
HOH WAT H2O DOD SOL TIP TIP3 TIP4 TIP5 TP3 TP4 TP5 SPC SPCE T3P T4P OPC HHO OHH OH2 SWM4 ST2 FB3
"""


@pytest.mark.parametrize("water", list(filter(None, re.split(r"\s+", WATERS))))
def test_water_is_water_by_any_name(tmp_path: Path, water: str) -> None:
    atoms = lines(("OH2", water), ("H1", water), ("H2", water), ("MW", water))
    path = written(tmp_path, N + C + atoms.replace(" 1    ", " 9    "))
    assert read_structure(path, hydrogens=True).elements.tolist() == ["N", "C"]
    kept = read_structure(path, waters=True, hydrogens=True)
    assert kept.elements.tolist() == ["N", "C", "O", "H", "H"]


def test_four_letters_that_end_in_column_20_are_one_name(tmp_path: Path) -> None:
    path = written(tmp_path, N + line(" OH2", "TIP3", 9, "O").replace(" TIP3A", "TIP3 A"))
    assert read_structure(path).elements.tolist() == ["N"]


def test_a_lipid_that_shares_its_name_with_a_water_stays(tmp_path: Path) -> None:
    lipid = line(" C1", "OPC", 1, "C", "HETATM") + line(" O1", "OPC", 3, "O", "HETATM")
    assert read_structure(written(tmp_path, lipid)).elements.tolist() == ["C", "O"]


def test_residues_of_simulation_programs_are_no_ligands(tmp_path: Path) -> None:
    path = written(tmp_path, line(" CA", "HSD", 1, "C", "HETATM") + line(" C1", "NAG", 3, "C", "HETATM"))
    assert read_structure(path, ligands=False).positions[:, 0].tolist() == [1]
