"""Reading structures: choices on small files written here."""

import gzip
import json
from pathlib import Path

import gemmi
import numpy as np
import pytest

from simulate.molecules import phantoms
from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.pdb_archive import sha256
from simulate.molecules.structures import load_atoms, read_structure, write_structure

TWO_FOLD = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000       10.00000
REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
"""


def atom(
    name: str,
    element: str,
    x: float,
    *,
    residue: str = "ALA",
    number: int = 1,
    chain: str = "A",
    altloc: str = " ",
    occupancy: float = 1.0,
    record: str = "ATOM",
) -> str:
    """One line of a PDB file, the atom at (x, 2, 3) Å."""
    padded = f" {name:<3s}" if len(element) == 1 else f"{name:<4s}"
    return (
        f"{record:<6s}{1:5d} {padded}{altloc}{residue:>3s} {chain}{number:4d}    "
        f"{x:8.3f}{2:8.3f}{3:8.3f}{occupancy:6.2f}{20:6.2f}          {element.upper():>2s}\n"
    )


def pdb(folder: Path, *lines: str) -> Path:
    path = folder / "some.pdb"
    path.write_text("".join(lines) + "END\n")
    return path


def header(pdb_id: str) -> str:
    return f"{'HEADER    CHAPERONE':<50s}01-JAN-00   {pdb_id}\n"


# Which atoms


def test_atoms_are_read_as_stored(tmp_path: Path) -> None:
    path = pdb(tmp_path, atom("N", "N", 1), atom("CA", "C", 2.5, occupancy=0.7), atom("ZN", "Zn", -4, residue="ZN"))
    atoms = read_structure(path)
    assert atoms.elements.tolist() == ["N", "C", "Zn"]
    np.testing.assert_array_equal(atoms.positions, [[1, 2, 3], [2.5, 2, 3], [-4, 2, 3]])
    np.testing.assert_allclose(atoms.occupancies, [1, 0.7, 1], rtol=1e-6)  # gemmi keeps occupancies in float32


def test_only_the_first_model_is_read(tmp_path: Path) -> None:
    models = [f"MODEL     {k:4d}\n" + atom("N", "N", k) + "ENDMDL\n" for k in (1, 2)]
    assert read_structure(pdb(tmp_path, *models)).positions[:, 0].tolist() == [1]


def test_waters_hydrogens_and_ligands_are_choices(tmp_path: Path) -> None:
    path = pdb(
        tmp_path,
        atom("N", "N", 1),
        atom("H", "H", 2),
        atom("D", "D", 3),
        atom("SE", "Se", 4, residue="MSE", number=2, record="HETATM"),
        atom("O", "O", 5, residue="HOH", number=3, record="HETATM"),
        atom("D1", "D", 6, residue="DOD", number=4, record="HETATM"),
        atom("MG", "Mg", 7, residue="MG", number=5, record="HETATM"),
        atom("C1", "C", 8, residue="NAG", number=6, record="HETATM"),
    )

    def kept(**choices: bool) -> list[float]:
        return read_structure(path, **choices).positions[:, 0].tolist()  # type: ignore[arg-type]

    assert kept() == [1, 4, 7, 8]
    assert kept(ligands=False) == [1, 4], "a modified residue of the chain is no ligand"
    assert kept(waters=True) == [1, 4, 5, 7, 8]
    assert kept(hydrogens=True) == [1, 2, 3, 4, 7, 8]
    assert kept(waters=True, hydrogens=True) == [1, 2, 3, 4, 5, 6, 7, 8]
    deuterium = read_structure(path, hydrogens=True).elements[2]
    assert deuterium == "H", "deuterium has hydrogen's form factor"


def alternatives(folder: Path) -> Path:
    return pdb(
        folder,
        atom("N", "N", 1),
        atom("CB", "C", 2, altloc="B", occupancy=0.6),
        atom("CB", "C", 3, altloc="A", occupancy=0.4),
        atom("CG", "C", 4, altloc="A", occupancy=0.4),
        atom("CG", "C", 5, altloc="B", occupancy=0.6),
        atom("OD", "O", 6, altloc="B", occupancy=0.6),
        atom("CE", "C", 7, occupancy=0.5),
        atom("SD", "S", 8, altloc="A", occupancy=0.5, number=2),
        atom("SD", "S", 9, altloc="C", occupancy=0.5, number=2),
    )


def test_first_alternative_is_the_lowest_label_whatever_the_order(tmp_path: Path) -> None:
    atoms = read_structure(alternatives(tmp_path), altlocs="first")
    assert dict(zip(atoms.positions[:, 0], atoms.occupancies.round(6), strict=True)) == {
        1: 1,
        3: 1,  # chosen against another one, so the atom is wholly here
        4: 1,
        6: 0.6,  # has no alternative A: stays, as stored
        7: 0.5,  # partly there without alternatives: as stored
        8: 1,
    }


def test_alternative_of_highest_occupancy_and_of_equals_the_lowest_label(tmp_path: Path) -> None:
    atoms = read_structure(alternatives(tmp_path), altlocs="highest_occupancy")
    assert sorted(atoms.positions[:, 0]) == [1, 2, 5, 6, 7, 8]
    assert atoms.occupancies[atoms.positions[:, 0] == 2] == 1


def test_residue_with_alternative_sequences_is_one_residue(tmp_path: Path) -> None:
    path = pdb(
        tmp_path,
        atom("CB", "C", 1, residue="ALA", altloc="A", occupancy=0.3),
        atom("CB", "C", 2, residue="SER", altloc="B", occupancy=0.7),
        atom("OG", "O", 3, residue="SER", altloc="B", occupancy=0.7),
    )
    first, likeliest = (read_structure(path, altlocs=choice) for choice in ("first", "highest_occupancy"))  # type: ignore[arg-type]
    assert (first.positions[:, 0].tolist(), first.occupancies.tolist()) == ([1], [1])
    assert (likeliest.positions[:, 0].tolist(), likeliest.occupancies.tolist()) == ([2, 3], [1, 1])


def test_first_alternative_agrees_with_gemmi_where_labels_are_in_order(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    lines = []
    for number in range(1, 60):
        for name in ("N", "CA", "C", "O"):
            labels = ["A", "B", "C"][: generator.integers(1, 4)]
            occupancy = 1 / len(labels)
            for label in labels:
                altloc = label if len(labels) > 1 else " "
                x = round(float(generator.uniform(-50, 50)), 3)
                lines.append(atom(name, name[0], x, number=number, altloc=altloc, occupancy=occupancy))
    path = pdb(tmp_path, *lines)
    twin = gemmi.read_structure(str(path))
    twin.remove_alternative_conformations()
    expected = [a.pos.x for chain in twin[0] for residue in chain for a in residue]
    atoms = read_structure(path)
    assert atoms.positions[:, 0].tolist() == expected
    assert set(atoms.occupancies) == {1.0}


# Assemblies


def test_assembly_is_built_from_its_operators(tmp_path: Path) -> None:
    path = pdb(tmp_path, TWO_FOLD, atom("N", "N", 1), atom("CA", "C", 4))
    assert len(read_structure(path)) == 2
    atoms = read_structure(path, assembly="1")
    np.testing.assert_allclose(atoms.positions, [[1, 2, 3], [4, 2, 3], [9, -2, 3], [6, -2, 3]])
    assert atoms.elements.tolist() == ["N", "C", "N", "C"]


def test_alternatives_are_resolved_in_every_copy_of_an_assembly(tmp_path: Path) -> None:
    path = pdb(
        tmp_path, TWO_FOLD, *(atom("N", "N", x, altloc=label, occupancy=0.5) for x, label in ((1, "A"), (2, "B")))
    )
    atoms = read_structure(path, assembly="1")
    assert atoms.positions[:, 0].tolist() == [1, 9]
    assert atoms.occupancies.tolist() == [1, 1]


def test_unknown_assembly_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no assembly '7'; it has \['1'\] and 'deposited'"):
        read_structure(pdb(tmp_path, TWO_FOLD, atom("N", "N", 1)), assembly="7")


def test_chain_list_that_gemmi_would_cut_short_is_refused(tmp_path: Path) -> None:
    broken = TWO_FOLD.replace("CHAINS: A\n", "CHAINS: A,\nREMARK 350 B\n")
    continued = TWO_FOLD.replace("CHAINS: A\n", "CHAINS: A,\nREMARK 350                    AND CHAINS: B\n")
    lines = atom("N", "N", 1), atom("N", "N", 2, chain="B")
    with pytest.raises(ValueError, match="would lose chains; use assembly 'deposited'"):
        read_structure(pdb(tmp_path, broken, *lines), assembly="1")
    assert len(read_structure(pdb(tmp_path, broken, *lines))) == 2
    assert len(read_structure(pdb(tmp_path, continued, *lines), assembly="1")) == 4


# What is refused


@pytest.mark.parametrize("element", ["X", "Fm"])
def test_element_without_form_factor_names_the_atom(tmp_path: Path, element: str) -> None:
    path = pdb(tmp_path, atom("N", "N", 1), atom("QQ", element, 2, residue="UNX", number=7, record="HETATM"))
    with pytest.raises(ValueError, match=rf"no form factor for element '{element}' of atom 'QQ' in UNX 7, chain A"):
        read_structure(path)


@pytest.mark.parametrize(
    "lines", [(), ("HELLO\n",), (atom("O", "O", 1, residue="HOH"),), (atom("N", "N", 1, occupancy=0),)]
)
def test_nothing_to_scatter_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"some\.pdb: no atom with an occupancy above 0"):
        read_structure(pdb(tmp_path, *lines))


def test_other_entry_than_expected_is_refused(tmp_path: Path) -> None:
    path = pdb(tmp_path, header("1AON"), atom("N", "N", 1))
    assert len(read_structure(path, pdb_id="1aon")) == 1
    with pytest.raises(ValueError, match="is entry 1aon, expected 1oel"):
        read_structure(path, pdb_id="1oel")


def test_mmcif_of_another_entry_is_refused(tmp_path: Path) -> None:
    write_structure(read_structure(pdb(tmp_path, atom("N", "N", 1))), tmp_path / "some.cif")
    assert len(read_structure(tmp_path / "some.cif", pdb_id="1oel")) == 1, "a file without an id is taken on trust"
    text = (tmp_path / "some.cif").read_text()
    for entry, good in (("1AON", "1aon"), ("pdb_00001aon", "1aon")):
        (tmp_path / "some.cif").write_text(text + f"\n_entry.id {entry}\n")
        assert len(read_structure(tmp_path / "some.cif", pdb_id=good)) == 1
        with pytest.raises(ValueError, match="expected 1oel"):
            read_structure(tmp_path / "some.cif", pdb_id="1oel")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    good = pdb(tmp_path, *(atom("N", "N", k, number=k) for k in range(1, 200))).read_bytes()
    (tmp_path / "good.pdb.gz").write_bytes(gzip.compress(good))
    assert len(read_structure(tmp_path / "good.pdb.gz")) == 199
    cases = {
        "cut.pdb.gz": gzip.compress(good)[:-20],
        "plain.pdb.gz": good,
        "cut.pdb": good[:-60],
        "stars.pdb": good.replace(b"   3.000", b"********", 1),
        "page.cif": b"<html>not found</html>",
        "empty.cif": b"",
        "headless.cif": b"data_1AON\n_cell.length_a 1\n",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            read_structure(tmp_path / name)


def test_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a structure file ends in \.cif"):
        read_structure(tmp_path / "some.xyz")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.cif"):
        read_structure(tmp_path / "nowhere.cif")


# Writing


@pytest.mark.parametrize("name", ["written.cif", "written.cif.gz"])
def test_written_structure_reads_back(tmp_path: Path, name: str) -> None:
    lines = [atom("N", "N", -17.25 + k, occupancy=0.25, number=k) for k in range(1, 20)]
    atoms = read_structure(pdb(tmp_path, *lines, atom("ZN", "Zn", 3.125, residue="ZN", number=30)))
    write_structure(atoms, tmp_path / name)
    again = read_structure(tmp_path / name)
    np.testing.assert_array_equal(again.elements, atoms.elements)
    np.testing.assert_allclose(again.positions, atoms.positions, rtol=1e-8)  # nine digits are written
    np.testing.assert_array_equal(again.occupancies, atoms.occupancies)


def test_writing_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"written as \.cif"):
        write_structure(phantoms.build("globule"), tmp_path / "some.pdb")


# From the config


def test_file_becomes_centred_atoms_and_a_record(tmp_path: Path) -> None:
    path = pdb(
        tmp_path, header("1AON"), "TITLE     A SMALL THING\n", atom("N", "N", 1), atom("ZN", "Zn", 5, residue="ZN")
    )
    config = StructureConfig(id="small", source="file", path=path, pdb_id="1aon", stand_in_for="1ss8")
    atoms, record = load_atoms(config, ArchiveConfig())
    assert atoms.positions[:, 0].tolist() == [-2, 2]
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "id": "small",
        "source": "file",
        "is_phantom": False,
        "stand_in_for": "1ss8",
        "pdb_id": "1aon",
        "file": "some.pdb",
        "sha256": sha256(path),
        "title": "A SMALL THING",
        "assembly": "deposited",
        "altlocs": "first",
        "waters": False,
        "hydrogens": False,
        "ligands": True,
        "hydration_angstrom": 0.0,
        "waters_added": 0,
        "n_atoms": 2,
        "atoms_per_element": {"N": 1, "Zn": 1},
        "mass_kDa": pytest.approx((14.007 + 65.38) / 1e3, rel=1e-4),
        "electrons": 37,
        "radius_nm": pytest.approx(0.2),
        "extent_nm": pytest.approx(0.4),
        "rg_nm": atoms.radius_of_gyration / 10,
    }


def test_choices_of_the_config_reach_the_reader(tmp_path: Path) -> None:
    path = pdb(tmp_path, TWO_FOLD, atom("N", "N", 1), atom("H", "H", 2), atom("O", "O", 3, residue="HOH", number=2))
    config = StructureConfig(id="small", source="file", path=path, assembly="1", waters=True, hydrogens=True)
    assert len(load_atoms(config, ArchiveConfig())[0]) == 6


def test_phantom_becomes_atoms_and_a_record() -> None:
    atoms, record = load_atoms(StructureConfig(id="blob", source="phantom", phantom="globule"), ArchiveConfig())
    np.testing.assert_array_equal(atoms.positions, phantoms.build("globule").positions)
    assert json.loads(json.dumps(record)) == record
    assert record["is_phantom"]
    assert record["title"] == phantoms.PHANTOMS["globule"].description
