"""Lines of PDB files, written by their columns."""

from pathlib import Path

N = "ATOM      1  N   ALA A   1       1.000   2.000   3.000  1.00 20.00           N\n"
C = "ATOM      2  C   ALA A   2       5.000   2.000   3.000  1.00 20.00           C\n"


def line(name: str, residue: str, x: float = 1.0, element: str = "", record: str = "ATOM") -> str:
    """The name fills columns 13-16 as it is given, the residue 18-21."""
    return (
        f"{record:<6s}{1:5d} {name:<4s} {residue:<4s}A{1:4d}    {x:8.3f}{2:8.3f}{3:8.3f}  1.00 20.00          "
        f"{element:>2s}\n"
    )


def written(folder: Path, text: str | bytes, name: str = "some.pdb") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
