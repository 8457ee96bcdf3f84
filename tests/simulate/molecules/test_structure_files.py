"""Structure files of other kinds: mmCIF with all its blocks, assemblies and models, and what is no structure at all."""

import gzip
import logging
from pathlib import Path

import gemmi
import numpy as np
import pytest

from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.reading.assemblies import products
from simulate.molecules.structures import load_atoms, read_structure
from support.made.pdb_lines import C, N, line, written

HEAD = (
    "loop_"
    + """
group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_seq_id
auth_asym_id auth_seq_id Cartn_x Cartn_y Cartn_z occupancy
""".replace("\n", " ")
    .replace(" ", "\n_atom_site.")
    .removesuffix("_atom_site.")
)


def row(
    x: str = "10", *, name: str = "CA", residue: str = "GLY", element: str = "C", occupancy: str = "1", chain: str = "A"
) -> str:
    return f"ATOM 1 {element} {name} . {residue} {chain} 1 {chain} 1 {x} 2 3 {occupancy}\n"


def cif(folder: Path, *rows: str, before: str = "", after: str = "") -> Path:
    return written(folder, f"{before}data_X\n{HEAD}{''.join(rows)}#\n{after}", "some.cif")


# mmCIF


@pytest.mark.parametrize("value", ["?", ".", "inf", "nan", "1e400", "abc"])
def test_rows_without_a_place_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ValueError, match=r"some\.cif: row 2 of _atom_site: Cartn_x is"):
        read_structure(cif(tmp_path, row(), row(value)))


@pytest.mark.parametrize("value", ["1.5", "-0.1", "inf", "nan", "?"])
def test_rows_with_an_impossible_occupancy_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ValueError, match=r"some\.cif: row 2 of _atom_site: occupancy"):
        read_structure(cif(tmp_path, row(), row("4", occupancy=value)))


def test_uncertainties_are_no_part_of_a_number(tmp_path: Path) -> None:
    assert read_structure(cif(tmp_path, row("10.5(3)"))).positions[0].tolist() == [10.5, 2, 3]


def test_a_place_beyond_all_molecules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is its place a number"):
        read_structure(cif(tmp_path, row(), row("1e9")))


def test_the_block_with_the_atoms_is_read_wherever_it_is_and_two_are_refused(tmp_path: Path) -> None:
    assert len(read_structure(cif(tmp_path, row(), before="data_notes\n_some.thing 1\n"))) == 1
    with pytest.raises(ValueError, match="2 data blocks with atoms, X, Y"):
        read_structure(cif(tmp_path, row(), after=f"data_Y\n{HEAD}{row()}"))


def test_names_of_mmcif_are_held_against_elements_too(tmp_path: Path) -> None:
    for bad in (row(element="CA"), row(element="HG", name="HG", residue="SER"), row(name="BB")):
        with pytest.raises(ValueError, match=r"some\.cif: .*(must be|bead)"):
            read_structure(cif(tmp_path, bad))
    path = cif(tmp_path, row(), row("4", residue="DUM", name="N", element="N"), row("5", residue="WAT", name="EPW"))
    _, record = load_atoms(StructureConfig(id="some", source="file", path=path), ArchiveConfig())
    assert record["n_atoms"] == 1
    assert record["reading"] == {"pseudo_atoms_left_out": {"DUM": 1, "EPW": 1}}


# Assemblies

OPERATORS = {
    "1": (np.eye(3), [0, 0, 0]),
    "2": (np.diag([-1, -1, 1]), [0, 0, 0]),
    "3": (np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), [1, 0, 0]),
    "P": (np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), [0, 5, 0]),
    "X0": (np.diag([1, -1, -1]), [7, 0, 2]),
}


def assemblies(**expressions: tuple[str, str]) -> str:
    """mmCIF of assemblies `a...`: (oper_expression, asym_id_list)."""
    told = ("id", "details", "method_details", "oligomeric_details", "oligomeric_count")
    text = "loop_\n" + "".join(f"_pdbx_struct_assembly.{tag}\n" for tag in told)
    text += "".join(f"{name} 'icosahedral pentamer' ? pentameric 5\n" for name in expressions)
    text += "loop_\n" + "".join(
        f"_pdbx_struct_assembly_gen.{tag}\n" for tag in ("assembly_id", "oper_expression", "asym_id_list")
    )
    text += "".join(f"{name} '{expression}' {chains}\n" for name, (expression, chains) in expressions.items())
    tags = ["id", "type", *(f"{m}[{i}]{j}" for i in (1, 2, 3) for m, j in [("matrix", f"[{k}]") for k in (1, 2, 3)])]
    tags += [f"vector[{i}]" for i in (1, 2, 3)]
    text += "loop_\n" + "".join(f"_pdbx_struct_oper_list.{tag}\n" for tag in tags)
    for name, (matrix, vector) in OPERATORS.items():
        text += f"{name} ? {' '.join(str(value) for value in [*np.ravel(matrix), *vector])}\n"
    return text


def moved(name: str, point: np.ndarray) -> np.ndarray:
    matrix, vector = OPERATORS[name]
    return matrix @ point + vector


def test_products_of_operators_apply_the_last_one_first(tmp_path: Path) -> None:
    path = cif(tmp_path, row(), row("4", chain="B"), after=assemblies(a=("(X0,P)(2-3)", "A,B"), b=("P", "B")))
    first, second = np.array([10.0, 2, 3]), np.array([4.0, 2, 3])
    expected = [
        moved(left, moved(right, point))
        for point in (first, second)
        for left, right in (("X0", "2"), ("X0", "3"), ("P", "2"), ("P", "3"))
    ]
    found = read_structure(path, assembly="a").positions
    assert sorted(map(tuple, found.round(9))) == sorted(tuple(point.round(9)) for point in np.array(expected))
    assert read_structure(path, assembly="b").positions.tolist() == [moved("P", second).tolist()]


@pytest.mark.parametrize("expression", ["1", "1,2", "(1-3)", "(1,3)", "(1-2,P)", "(P)", "X0"])
def test_operators_agree_with_gemmi_where_it_reads_them(tmp_path: Path, expression: str) -> None:
    text = assemblies(**{"1": (expression, "A,B")})
    # gemmi passes over parts of icosahedra, and over the second factor of a product.
    path = cif(
        tmp_path, row(), row("4", chain="B"), after=text.replace("icosahedral pentamer", "author_defined_assembly")
    )
    structure = gemmi.read_structure(str(path))
    structure.transform_to_assembly("1", gemmi.HowToNameCopiedChain.Dup)
    expected = [atom.pos.tolist() for chain in structure[0] for residue in chain for atom in residue]
    found = read_structure(path, assembly="1").positions
    assert sorted(map(tuple, found)) == sorted(map(tuple, np.array(expected)))


def test_expressions_of_the_archive() -> None:
    assert products("1") == [("1",)]
    assert products("(1-3,7)") == [("1",), ("2",), ("3",), ("7",)]
    assert products("(X0)(1-2)") == [("X0", "1"), ("X0", "2")]
    assert len(products("(1-60)(61-88)")) == 60 * 28
    for bad in ("", "(1-2", "1)(2", "(1-2)3"):
        with pytest.raises(ValueError, match="unknown form"):
            products(bad)


def test_an_assembly_that_is_not_whole_is_not_supported_and_one_that_is_not_there_lists_all(tmp_path: Path) -> None:
    lists = assemblies(a=("(1-2)", "A"), XAU=("(99)", "A"), PAU=("1", "A"))
    path = cif(tmp_path, row(), after=lists.replace("PAU '1' A\n", ""))
    with pytest.raises(ValueError, match="assembly 'XAU' asks for operator '99', which the file does not have"):
        read_structure(path, assembly="XAU")
    with pytest.raises(ValueError, match=r"assembly 'PAU' is listed without operators .* not supported"):
        read_structure(path, assembly="PAU")
    with pytest.raises(ValueError, match=r"no assembly '9'; it has \['PAU', 'XAU', 'a'\] and 'deposited'"):
        read_structure(path, assembly="9")


# Models


def test_models_are_alternatives_unless_they_are_said_to_be_copies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = f"MODEL        1\n{N}ENDMDL\nMODEL        2\n{C}ENDMDL\n"
    for path in (written(tmp_path, text, "1abc.pdb1"), written(tmp_path, gzip.compress(text.encode()), "1abc.PDB2.gz")):
        config = StructureConfig(id="some", source="file", path=path)
        with caplog.at_level(logging.WARNING):
            atoms, record = load_atoms(config, ArchiveConfig())
        assert atoms.elements.tolist() == ["N"]
        assert record["reading"] == {"models": {"read": 1, "in_file": 2}}
        assert "read the first of 2 models" in caplog.text
        atoms, record = load_atoms(config.model_copy(update={"models": "all"}), ArchiveConfig())
        assert atoms.elements.tolist() == ["N", "C"]
        assert record["reading"] == {"models": {"read": 2, "in_file": 2}}


def test_an_ensemble_is_not_taken_for_an_assembly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = f"MODEL        1\n{N}ENDMDL\nMODEL        2\n{N.replace('  1.000', '  1.300')}ENDMDL\n"
    assert len(read_structure(written(tmp_path, text), models="all")) == 2
    assert "100% of their atoms lie within 1 Å of another model's" in caplog.text
    with pytest.raises(ValueError, match="alternatives that agree with NMR"):
        read_structure(written(tmp_path, "EXPDTA    SOLUTION NMR\n" + text), models="all")


def test_copies_are_asked_for_once() -> None:
    with pytest.raises(ValueError, match="both ask for copies"):
        StructureConfig(id="some", source="file", path=Path("x.pdb"), models="all", assembly="1")


# What is no structure


def test_content_decides_what_a_file_is(tmp_path: Path) -> None:
    whole = cif(tmp_path, row()).read_bytes()
    for name, content in {
        "cif.pdb": whole,
        "commented.cif": b"# made by hand\n\n" + whole,
        "pdb.cif": (N + C).encode(),
        "packed.pdb": gzip.compress((N + C).encode()),
        "UPPER.PDB": N.encode(),
        "UPPER.ENT.GZ": gzip.compress(N.encode()),
        "UPPER.CIF": whole,
    }.items():
        assert read_structure(written(tmp_path, content, name)).positions[0, 1] == 2, name


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<html><body>404</body></html>", "web page"),
        (b'<?xml version="1.0"?>\n<PDBx:datablock>', "PDBML"),
        (b">1ABC\nMKVL\n", "FASTA"),
        (b"\n \n", "empty"),
        (b'{"data_1ABC": {"atom_site": {}}}', "mmJSON"),
        (b"PK\x03\x04abc", "ZIP"),
        (b"BZh91AY", "bzip2"),
        (b"MTZ \x15\x00", "MTZ"),
        (bytes(208) + b"MAP " + bytes(20), "map"),
        (b"\x83\xa7version\xa50.3.0\xaadataBlocks\x91", "BinaryCIF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"data_r1abcsf\nloop_\n_refln.index_h\n_refln.index_k\n1 1\n", "structure factors"),
        (b"data_ATP\nloop_\n_chem_comp_atom.atom_id\n_chem_comp_atom.type_symbol\nC1 C\n", "dictionary of ligands"),
        (b"data_x\nloop_\n_atom_site_label\n_atom_site_fract_x\nC1 0.1\n", "small-molecule"),
        (b"2\n\nC 0.0 0.0 0.0\nN 1.0 0.0 0.0\n", "XYZ"),
        (b"title\n    1\n    1ALA      N    1   0.100   0.200   0.300\n", "GROMACS"),
        (b"some notes\non a protein\n", "it begins with 'some notes'"),
        (gzip.compress(gzip.compress(N.encode())), "twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # packed bytes have the time in them
)
def test_what_is_no_structure_is_called_what_it_is(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)some\.pdb.*{what}"):
        read_structure(written(tmp_path, content))


def test_water_alone_is_named_as_nothing_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no atom with an occupancy above 0 is left after the choices made"):
        read_structure(written(tmp_path, line(" O", "SOL", 1, "O")))
