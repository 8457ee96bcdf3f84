"""Files that programs and people write though no book of the format has it: alternatives, assemblies, numbers."""

import logging
from pathlib import Path

import numpy as np
import pytest

from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.structures import load_atoms, read_structure
from support.made.pdb_lines import C, N, written

ROTATION = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: {chains}
"""


def at(x: float, label: str = " ", occupancy: float = 1.0, *, residue: str = "ALA", number: str = "   1") -> str:
    """A line of a CA of chain A at (x, 2, 3) Å."""
    return (
        f"ATOM      1  CA {label}{residue} A{number}    {x:8.3f}{2:8.3f}{3:8.3f}{occupancy:6.2f}{20:6.2f}          "
        " C  \n"
    )


def taken(folder: Path, *lines: str, choice: str = "first") -> list[tuple[float, float]]:
    """Places and occupancies of what is read."""
    atoms = read_structure(written(folder, "".join(lines)), altlocs=choice)  # type: ignore[arg-type]
    return [
        (float(x), round(float(occupancy), 3))
        for x, occupancy in zip(atoms.positions[:, 0], atoms.occupancies, strict=True)
    ]


# Alternatives


def test_an_atom_without_a_label_is_an_alternative_of_one_of_its_name_that_has_one(tmp_path: Path) -> None:
    lines = at(1, " ", 0.6), at(2, "B", 0.4)
    assert taken(tmp_path, *lines) == [(1, 1)]
    assert taken(tmp_path, *lines, choice="highest_occupancy") == [(1, 1)]
    assert taken(tmp_path, at(1, " ", 0.3), at(2, "B", 0.7), choice="highest_occupancy") == [(2, 1)]


@pytest.mark.parametrize("residues", [("ALA", "ALA"), ("SER", "THR")])
def test_alternatives_are_found_wherever_in_the_chain_they_are(tmp_path: Path, residues: tuple[str, str]) -> None:
    one, other = residues
    lines = at(1, "A", 0.6, residue=one), at(9, number="   2"), at(2, "B", 0.4, residue=other)
    assert taken(tmp_path, *lines) == [(1, 1), (9, 1)]
    assert sorted(taken(tmp_path, at(1, "A", 0.4, residue=one), *lines[1:2], at(2, "B", 0.6, residue=other),
                        choice="highest_occupancy")) == [(2, 1), (9, 1)]  # fmt: skip


def test_numbers_that_begin_again_are_no_alternatives(tmp_path: Path) -> None:
    """Hexadecimal numbers of VMD behind 9999: 2710 is there twice. Both residues have both labels."""
    first = [at(x, label, 0.5, residue="SER", number="2710") for x, label in ((1, "A"), (2, "B"))]
    second = [at(x, label, 0.5, residue="THR", number="2710") for x, label in ((11, "A"), (12, "B"))]
    assert taken(tmp_path, *first, at(5, number="270f"), *second) == [(1, 1), (5, 1), (11, 1)]


@pytest.mark.parametrize("numbers", [("9999", "A000", "A001"), ("9999", "270f", "2710"), ("  -5", "  -1", "   0")])
def test_hybrid_hexadecimal_and_negative_numbers_are_names_of_residues(
    tmp_path: Path, numbers: tuple[str, ...]
) -> None:
    lines = [at(x, label, 0.5, number=number) for x, number in enumerate(numbers) for label in "AB"]
    assert taken(tmp_path, *lines) == [(0, 1), (1, 1), (2, 1)]


def test_labels_of_several_letters_in_mmcif(tmp_path: Path) -> None:
    """The parser knows labels of one letter alone; their order stays."""
    head = "data_X\nloop_\n" + "".join(
        f"_atom_site.{tag}\n"
        for tag in [
            *("id", "type_symbol", "label_atom_id", "label_comp_id", "label_asym_id", "auth_asym_id", "auth_seq_id"),
            *("Cartn_y", "Cartn_z", "label_alt_id", "Cartn_x", "occupancy"),
        ]
    )
    rows = "".join(f"1 C CA ALA A A 1 2 3 {rest}\n" for rest in ("B10 1 0.3", "A2 2 0.4", "B9 3 0.3"))
    atoms = read_structure(written(tmp_path, head + rows + "1 C CB ALA A A 1 9 3 . 4 1\n", "some.cif"))
    assert atoms.positions[:, 0].tolist() == [2, 4]
    assert atoms.occupancies.tolist() == [1, 1]


def atom_site(left_out: str = "") -> str:
    """An mmCIF file of one atom at (1, 2, 3), perhaps without a column."""
    values = {"id": 1, "type_symbol": "C", "label_atom_id": "CA", "label_alt_id": ".", "label_comp_id": "ALA",
              "label_asym_id": "A", "label_seq_id": 1, "Cartn_x": 1, "Cartn_y": 2, "Cartn_z": 3}  # fmt: skip
    return "data_X\n" + "".join(f"_atom_site.{tag} {value}\n" for tag, value in values.items() if tag != left_out)


@pytest.mark.parametrize("tag", ["id", "type_symbol", "label_alt_id", "label_asym_id", "Cartn_x", "Cartn_y", "Cartn_z"])
def test_a_column_that_is_missing_is_named(tmp_path: Path, tag: str) -> None:
    assert read_structure(written(tmp_path, atom_site(), "whole.cif")).positions.tolist() == [[1, 2, 3]]
    with pytest.raises(ValueError, match=rf"some\.cif: _atom_site has no column {tag}; add it"):
        read_structure(written(tmp_path, atom_site(tag), "some.cif"))


def test_a_damaged_mmcif_file_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"some\.cif: cannot be read as mmCIF: line 12 "):
        read_structure(written(tmp_path, atom_site() + "_atom_site.id 2\n", "some.cif"))


# Letters and packing


@pytest.mark.parametrize("name", ["some.pdb", "some.cif"])
def test_titles_may_have_letters_of_any_language(tmp_path: Path, name: str) -> None:
    """Of old files in Latin-1, which is no UTF-8."""
    title, atoms = ("TITLE     Protéine\n", at(1)) if name.endswith("pdb") else ("", atom_site())
    text = title + atoms + ("" if title else "_struct.title 'Protéine'\n")
    for encoding in ("latin-1", "utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        config = StructureConfig(id="x", source="file", path=tmp_path / name)
        found, record = load_atoms(config, ArchiveConfig())
        assert len(found) == 1
        assert record["title"].casefold() == "protéine"


@pytest.mark.parametrize(("ending", "packer"), [("bz2", "bzip2"), ("BZ2", "bzip2"), ("xz", "xz"), ("Z", "compress")])
def test_what_is_packed_otherwise_is_told(tmp_path: Path, ending: str, packer: str) -> None:
    with pytest.raises(ValueError, match=rf"some\.pdb\.{ending} is packed with {packer}; unpack it"):
        read_structure(written(tmp_path, at(1), f"some.pdb.{ending}"))


# Assemblies in PDB files


def operators(n: int, chains: str = "A") -> str:
    """REMARK 350 with so many turns around the z axis."""
    text = ROTATION.format(chains=chains)
    for k, turn in enumerate(2 * np.pi * np.arange(n) / n, 1):
        matrix = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
        for i, row in enumerate(matrix, 1):
            text += f"REMARK 350   BIOMT{i}{k:4d}{''.join(f'{value:10.6f}' for value in row)}{0:15.5f}\n"
    return text


@pytest.mark.parametrize("n", [2, 60, 1200])
def test_many_operators(tmp_path: Path, n: int) -> None:
    atoms = read_structure(written(tmp_path, operators(n) + at(50)), assembly="1")
    angles = np.arctan2(2, 50) + 2 * np.pi * np.arange(n) / n
    expected = np.hypot(50, 2) * np.exp(1j * angles)
    # Six digits of a matrix times 50 Å.
    np.testing.assert_allclose(atoms.positions[:, :2] @ [1, 1j], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000\n", "", "1 operators read of 5 rows"),
        ("BIOMT3   2  0.000000  0.000000", "BIOMT3   2********************", "is not the row of an operator"),
        ("BIOMT2   2", "BIOMT2   3", "is not the row of an operator"),
        ("BIOMT2   2", "BIOMT1   2", "is not the row of an operator"),
        ("BIOMT3   2  0.000000  0.000000  1.000000", "BIOMT3   2  0.000000  0.000000  2.000000", "is no rotation"),
        ("BIOMT3   2  0.000000  0.000000  1.000000", "BIOMT3   2  0.000000  0.000000 -1.000000", "is no rotation"),
        ("BIOMT3   2  0.000000  0.000000", "BIOMT3   2    0.000000  0.000000", "is not the row of an operator"),
    ],
)
def test_operators_that_are_damaged_are_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    text = operators(2)
    assert old in text
    path = written(tmp_path, text.replace(old, new) + at(50))
    with pytest.raises(ValueError, match=rf"some\.pdb: .*{why}"):
        read_structure(path, assembly="1")
    assert len(read_structure(path)) == 1


def test_chains_of_an_assembly_that_the_file_does_not_have_are_said_and_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, operators(2, "A, B, C") + at(50))
    with caplog.at_level(logging.WARNING):
        atoms, record = load_atoms(StructureConfig(id="some", source="file", path=path, assembly="1"), ArchiveConfig())
    assert len(atoms) == 2
    assert record["reading"] == {"chains_absent": ["B", "C"]}
    assert "assembly 1 without chains that the file does not have: B, C" in caplog.text
    with pytest.raises(ValueError, match=r"some\.pdb: assembly '1' is of chains B, none of which the file has"):
        read_structure(written(tmp_path, operators(2, "B") + at(50)), assembly="1")


# Columns


def test_a_b_factor_of_stars_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, C + N.replace("  1.00 20.00", "  1.00******"))
    assert read_structure(path).occupancies.tolist() == [1, 1]
