"""What a file is, by its content: PDB, mmCIF, or something else, which is then named."""

import re
from typing import Literal, NoReturn

Kind = Literal["pdb", "mmcif"]

PACKED = {".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".z": "compress", ".zip": "ZIP", ".7z": "7-Zip"}
"""What packs files that end so; of these none is unpacked here."""

_SIGNATURES = {
    b"\x1f\x8b": "compressed twice (gzip within gzip); unpack it once",
    b"\x1f\x9d": "compressed by `compress` (.Z); unpack it, and pack it with gzip",
    b"PK\x03\x04": "a ZIP archive (or .npz, .docx, ...); unpack it",
    b"BZh": "compressed with bzip2; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or pack it with gzip",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"MTZ ": "an MTZ file: reflections, not atoms",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with `git lfs pull`",
    b"@<TRIPOS>": "a MOL2 file",
    b"PSF": "a CHARMM or X-PLOR topology (PSF): it has no positions",
    b">": "a FASTA file: a sequence, not atoms",
    b"%!PS": "a PostScript document",
}

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
"""In no text, and soon in what is packed or binary."""

_ATOM = re.compile(rb"^[ \t]*(?:ATOM|HETATM)", re.M | re.I)
_PDB_RECORD = re.compile(rb"^(?:HEADER|TITLE |COMPND|CRYST1|REMARK|MODEL |SEQRES|ORIGX|SCALE|END\b)", re.M)
_DATA_BLOCK = re.compile(rb"(?:\s*(?:#[^\n]*)?\n)*\s*data_", re.I)


def text_of(content: bytes) -> bytes:
    """The content as UTF-8 without a byte order mark, lines ending with a line feed.

    Programs of Windows and of old Macintoshes end lines otherwise, or say in front which encoding follows. What is no
    UTF-8 is taken for Latin-1, in which names of old titles are written: there every byte is a letter.
    """
    if content[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        content = content.decode("utf-32").encode()
    elif content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16").encode()
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.isascii() and content[:1].isascii() and not _CONTROL.search(content[:4096]):
        try:
            content.decode()
        except UnicodeDecodeError:
            content = content.decode("latin-1").encode()
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


def kind_of(text: bytes, *, expected: Kind) -> Kind:
    """Whether text is PDB or mmCIF, whatever the file is called.

    Parameters
    ----------
    expected : what its name says, taken on trust where the content looks like nothing in particular.

    Raises
    ------
    ValueError that says what else it is.
    """
    start = text[:4096].lstrip()
    if not start and not text.strip():
        _is("empty but for blanks")
    for signature, what in _SIGNATURES.items():
        if start.startswith(signature):
            _is(what)
    if start.startswith(b"<"):
        _is("PDBML (XML); get the entry's mmCIF file" if b"datablock" in start else "a web page or another XML file")
    if text[208:212] == b"MAP ":
        _is("a CCP4/MRC map: a density, not atoms")
    if text[257:262] == b"ustar":
        _is("a tar archive; unpack it")
    if start[:1] in (b"{", b"["):
        _is("JSON" + (" (mmJSON); get the entry's mmCIF file" if b"atom_site" in text else ""))
    if b"\x00" in start or any(byte > 0x7F for byte in start[:1]):
        if b"dataBlocks" in text or b"mmtfVersion" in text:
            _is("BinaryCIF or MMTF; get the entry's mmCIF file")
        _is("binary, of no kind that is known here")
    if _DATA_BLOCK.match(text):
        return "mmcif"
    if _ATOM.search(text):
        return "pdb"
    if re.search(rb"V[23]000\s*$", start, re.M):
        _is("a MOL or SDF file")
    if re.match(rb"\d+\s*\n[^\n]*\n\s*[A-Z][a-z]?\s+-?\d+\.\d+\s+-?\d+\.\d+\s+-?\d+\.\d+", start):
        _is("an XYZ file")
    if re.match(rb"[^\n]*\n\s*\d+\s*\n(?:[ \d]{5}[^\n]{10}[ \d]{5})", text[:4096]):
        _is("a GROMACS .gro file; write PDB or mmCIF, as with gmx editconf")
    return "pdb" if _PDB_RECORD.search(text) else expected


def without_atoms(block_names: list[str], tags: set[str]) -> str:
    """What an mmCIF file is that has no _atom_site, from the names of its blocks and its categories (`_refln.`)."""
    if {"_refln.", "_diffrn_refln."} & tags:
        return "structure factors: reflections, not atoms"
    if "_chem_comp_atom." in tags:
        return "a dictionary of ligands (_chem_comp_atom), not a structure"
    if "_atom_site_fract_x" in tags or "_atom_site_label" in tags:
        return "a CIF of small-molecule crystallography (fractional coordinates); convert it to PDBx/mmCIF"
    if "_em_volume_selection." in tags or "_validation." in tags:
        return "no model of atoms"
    return f"mmCIF without any atom (_atom_site), in its blocks {block_names[:5]}"


def _is(what: str) -> NoReturn:
    raise ValueError(f"not a PDB or mmCIF file of a structure but {what}")
