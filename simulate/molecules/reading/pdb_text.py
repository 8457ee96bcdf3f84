"""The lines of a PDB file, each checked against its columns before a parser reads them.

The format has fixed columns and no separators. A number too wide for its own moves all that follows, and what then
stands in the columns may well look like numbers. A line is believed where its three coordinates are written as the
format says, %8.3f, so that their decimal points stand in columns 35, 43 and 51, or where each is a number on its own
within its columns. Otherwise it is refused, with its number.

Where the column of the element is empty, the element comes from the names of residue and atom (`names.py`), then from
the columns: a symbol of one letter stands in column 14, one of two begins in column 13. Some programs begin all names
in column 13, which tells nothing; a name that could be of two elements is then refused.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NoReturn

from simulate.molecules.form_factors import known_elements
from simulate.molecules.reading import names

WIDTH = 80
"""Columns of a line; what programs write behind them is theirs."""

_PLAIN = re.compile(
    rb"(?:ATOM  |HETATM)[ \w*]{5} "
    rb"(?:[ \d]([CNOPH]|S(?=[DG] ))[\w\"'* ]{2}|(H)[^ ]{3})"  # the name, and the element as it has it
    rb"[ A-C](?!DUM)[A-Z\d]{3} [\w ][ \w-]{4}[ A-Z] {3}"
    rb"(?= {0,3}-?\d+\.)[- \d]{4}\.\d{3}(?= {0,3}-?\d+\.)[- \d]{4}\.\d{3}(?= {0,3}-?\d+\.)[- \d]{4}\.\d{3}"
    rb"  (?:0\.\d\d|1\.00)[ \d-]{3}\.\d\d.{10} (?:\1|\2)(?:  |\d[+-]|)? *$"
)
"""An ordinary line: nine in ten of the archive's. All others are looked at more closely."""

_ATOM = re.compile(rb"\s*(?:ATOM|HETA)", re.I)
_SIX_DIGITS = re.compile(r"ATOM \d{6} ", re.I)
"""Numbers of atoms from 100,000 on, whose first digit some programs put into the blank before their columns."""
_COORDINATE = re.compile(r" *[-+]?(?:\d+\.?\d*|\.\d+) *")
_FIXED = re.compile(r" *[-+]?\d*\.\d{3}")
_FACTOR = re.compile(rf"{_COORDINATE.pattern}|\*+ *")
"""A B-factor, which is not used: stars where it is too wide for its columns say nothing of what is."""
_OCCUPANCY = re.compile(r" *\+?(?:\d+\.?\d*|\.\d+) *")
_ONE_LETTER = frozenset("HCNOFPSKBIVWUY")
_TWO_LETTERS = names.words(
    "LI BE NA MG AL SI CL CA TI CR MN FE CO NI CU ZN GA AS SE BR KR RB SR MO RU RH PD AG CD SN SB TE XE CS BA LA CE",
    "SM EU GD TB YB LU HF TA RE OS IR PT AU HG TL PB BI",
)
"""Elements that molecules of the archive hold; no AC, AD or HE, which stand for something else in a name."""


@dataclass
class PdbText:
    """Lines that a parser reads as they are meant, and what was done to them."""

    content: bytes = b""
    n_atoms: int = 0
    """Atoms of all models, those that were left out not counted."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Pseudo-atoms by the name of their residue or their own."""
    guessed: int = 0
    """Atoms without an element in the file, which have one now."""
    without_occupancy: int = 0
    """Atoms of a file that gives none any occupancy: they are wholly there."""


def checked(text: bytes) -> PdbText:
    """The lines of a PDB file, checked.

    Parameters
    ----------
    text : as from `kinds.text_of`.

    Raises
    ------
    ValueError with the number of the line: columns that do not hold what they should, an occupancy not from 0 to 1, an
    element that the file does not tell, an atom behind the end.
    """
    made, lines = PdbText(), text.split(b"\n")
    columns = _Columns(lines)
    end, unoccupied, changed = 0, 0, False
    for index, line in enumerate(lines):
        if _PLAIN.match(line):
            made.n_atoms += 1
        elif _ATOM.match(line):
            changed = True
            atom = _Line(index + 1, line)
            if (name := atom.pseudo_atom) is not None:
                made.left_out[name] += 1
                lines[index] = b""
                continue
            made.n_atoms += 1
            atom.check_coordinates()
            if not atom.complete_occupancy():
                made.without_occupancy += 1
                unoccupied = unoccupied or atom.number
            made.guessed += atom.complete_element(columns)
            lines[index] = atom.text.encode("latin-1")
        else:
            if len(line) > WIDTH:
                changed = True
                lines[index] = line[:WIDTH]
            if not end and line[:6].strip().upper() == b"END":
                end = index + 1
            continue
        if end:
            raise ValueError(
                f"line {index + 1}: an atom behind END in line {end}: several files in one, or the frames of a "
                "trajectory; keep one, or set what belongs to one molecule between MODEL and ENDMDL, choosing models"
            )
    if made.without_occupancy not in (0, made.n_atoms):
        raise ValueError(
            f"line {unoccupied}: no occupancy in columns 55-60, where other atoms have one; fill it in, or blank all"
        )
    made.content = b"\n".join(line for line in lines if line) + b"\n" if changed else text
    return made


class _Columns:
    """Whether the names of a file begin where the length of their element's symbol has them begin."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._aligned: bool | None = None

    @property
    def aligned(self) -> bool:
        """No symbol of one letter begins in column 13, but for names of four characters."""
        if self._aligned is None:
            self._aligned = not any(_begins_early(line) for line in self._lines if _ATOM.match(line))
        return self._aligned


def _begins_early(line: bytes) -> bool:
    text = line.decode("latin-1").upper().ljust(WIDTH)
    if text[15] != " " or text[12] not in _ONE_LETTER:
        return False
    name = text[12:16].strip()
    return not name[1:2].isalpha() or len(names.element(text[17:20].strip(), name) or "  ") == 1


class _Line:
    """A line of an atom, told by its columns."""

    def __init__(self, number: int, line: bytes) -> None:
        self.number = number
        self.text = line.decode("latin-1")[:WIDTH].rstrip().ljust(WIDTH)
        if _SIX_DIGITS.match(self.text):
            self.text = f"ATOM  {self.text[6:]}"
        if self.text[:6].upper() not in ("ATOM  ", "HETATM"):
            self.refuse("an atom's line begins with ATOM or HETATM in column 1")
        if "\t" in self.text:
            self.refuse("a tab in an atom's line; its columns are filled with blanks")
        self.text = self.text[:6].upper() + self.text[6:]
        self.residue = self.text[17:20].strip()
        if names.is_known(self.text[17:21].strip()):
            self.residue = self.text[17:21].strip()
        elif names.is_known(self.text[16:20].strip()):
            # Four letters that end where three should: their first is no label of an alternative position.
            self.residue = self.text[16:20].strip()
            self.text = f"{self.text[:16]} {self.residue:<4s}{self.text[21:]}" if self.text[20] == " " else self.text
        self.name = self.text[12:16].strip()

    def refuse(self, why: str) -> NoReturn:
        raise ValueError(f"line {self.number}: {why}: {self.text.rstrip()!r}")

    @property
    def pseudo_atom(self) -> str | None:
        """What this is called if it is no atom."""
        if self.residue.upper() in names.PSEUDO_RESIDUES:
            return self.residue
        return self.name if names.is_virtual_site(self.residue, self.name, self.element) else None

    @property
    def element(self) -> str:
        """As the file gives it, blank where it does not."""
        given = self.text[76:78].strip()
        return given if any(letter.isalpha() for letter in given) else ""

    def check_coordinates(self) -> None:
        """Refuse coordinates that are none, or may not be the ones that were meant."""
        if self.text[27:30].strip():
            self.refuse("columns 28-30 are blank in a PDB file; something before or behind them is too wide")
        fields = [self.text[start : start + 8] for start in (30, 38, 46)]
        if all(_FIXED.fullmatch(field) for field in fields):
            return
        alone = all(self.text[edge - 1] == " " or self.text[edge] in " -+" for edge in (38, 46))
        if not alone or not all(_COORDINATE.fullmatch(field) for field in fields) or self.text[54] not in " ":
            self.refuse(
                "columns 31-38, 39-46 and 47-54 are not one coordinate each, as in %8.3f: a number is missing, or too "
                "wide for its columns (write mmCIF, or move the molecule to the origin)"
            )

    def complete_occupancy(self) -> bool:
        """Whether the line has an occupancy, which is checked; else it has 1 now."""
        given = self.text[54:60]
        if not given.strip():
            self.text = f"{self.text[:54]}  1.00{self.text[60:]}"
            return False
        glued = self.text[53] != " " and given[0] != " " and "." not in given
        # A number that goes on behind its columns, as the charge of a PQR file does; a wide B-factor is one by itself.
        glued |= given[-1] != " " and self.text[60] != " " and not _FACTOR.fullmatch(self.text[60:66])
        if glued or not _OCCUPANCY.fullmatch(given) or float(given) > 1:
            self.refuse(
                f"occupancy {given.strip()!r} in columns 55-60, expected a number from 0 to 1; correct the file"
            )
        return True

    def complete_element(self, columns: _Columns) -> bool:
        """Whether the element had to be guessed, and stands in its columns now; what is given is held against names."""
        if names.is_bead(self.residue, self.name):
            self.refuse(
                f"{self.name} of {self.residue} is no atom but a bead of a coarse-grained model, which has none"
            )
        told = names.element(self.residue, self.name)
        if self.element:
            if told is not None and names.contradicts(self.element, told):
                self.refuse(f"element {self.element} in columns 77-78, but {self.name} of {self.residue} is {told}")
            return False
        if told is None and names.is_polymer(self.residue):
            self.refuse(
                f"no element in columns 77-78, and no atom of {self.residue} is called {self.name}; write its element, "
                "or remove it if it is none"
            )
        element = told or self._element_by_column(columns)
        self.text = f"{self.text[:76]}{element.upper():>2s}{self.text[78:]}"
        return True

    def _element_by_column(self, columns: _Columns) -> str:
        letters = self.name.upper().lstrip("0123456789'\"*")
        one, two = letters[:1], letters[:2]
        may_be_one = one in _ONE_LETTER
        may_be_two = len(two) == 2 and two.capitalize() in known_elements()
        if may_be_one and not may_be_two:
            return one
        if may_be_one and self.text[12] != " " and self.text[15] != " " and one == "H":
            return one  # four characters: the hydrogens of a group are numbered, mercury's and holmium's atoms not
        if may_be_two and len(self.name) < 4:
            begins_early = self.text[12].isalpha()
            if begins_early and two in _TWO_LETTERS and (columns.aligned or not may_be_one):
                return two
            if not begins_early and may_be_one and columns.aligned and two not in ("CL", "BR"):
                return one
        return self.refuse(
            f"no element in columns 77-78, and {self.name} of {self.residue} may be of more than one, or of none; "
            "write the elements, as most programs do when they are asked to"
        )
