"""Names of residues and atoms as the archive and the simulation programs write them, and what they tell.

The archive calls water HOH and sodium NA; CHARMM says TIP3 and SOD, GROMACS SOL and NA+, AMBER WAT and Na+. A name
alone may mislead: CLA is CHARMM's chloride and the archive's chlorophyll, OPC a water model of AMBER and a lipid. So a
residue is water if it is called so and is made of oxygen and hydrogen, an ion if it is called so and so is its atom.
"""

import re

import gemmi


def words(*texts: str) -> frozenset[str]:
    """The words of texts."""
    return frozenset(word for text in texts for word in text.split())


WATERS = words(
    "HOH H2O WAT DOD D2O OH2 HH0 HHO OHH",  # the archive, VMD, MDTraj, X-PLOR
    "SOL TIP TIP2 TIP3 TIP4 TIP5 TIPS TP2 T3P T4P T5P T3H T4H TIP3P TIP4P TIP5P TI3P TI4P",  # GROMACS, Desmond
    "TP3M TP4E TIP3M TIPM ST2 SPC SPCE SPCF SWM SWM4 SWM6",  # CHARMM; it may cut TIP3 to TIP
    "TP3 TP4 TP5 TPF T4E T4D SPF SPG SPQ PL3 POL3 DC4 OPC OPC3 OP3 FB3 FB4 F3B F4B",  # AMBER
)

PSEUDO_RESIDUES = frozenset(["DUM"])
"""No molecules: planes of a membrane (OPM, PPM), or places that the archive calls dummy atoms."""

_VIRTUAL_SITE = re.compile(r"(?:EP|LP)[A-Z0-9]*|M(?:CH|NH)\d[A-Z0-9]*")
"""Lone pairs, extra points, and the mass sites that GROMACS puts for turning groups."""

_AMINO_ACIDS = words(
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL ASX GLX MSE SEC PYL HYP",
    "ASH GLH LYN HID HIE HIP CYX CYM TYM ARN HSD HSE HSP ASPP GLUP LSN LYP CYN",  # as protonated: AMBER, CHARMM
    "ASPH GLUH ARGN LYSH HISA HISB HISD HISE HISH HISP HIS1 HIS2 CYSH CYS1 CYS2",  # GROMOS, OPLS
    "ACE NME NMA NAC NHE NH2 FOR CT2 CT3",  # caps of chains
)
_NUCLEOTIDES = words(
    "A C G U I N T DA DC DG DT DU DI DN ADE CYT GUA THY URA RA RC RG RU",
    "A5 A3 AN C5 C3 CN G5 G3 GN U5 U3 UN DA5 DA3 DAN DC5 DC3 DCN DG5 DG3 DGN DT5 DT3 DTN",  # ends, AMBER
    "RA5 RA3 RAN RC5 RC3 RCN RG5 RG3 RGN RU5 RU3 RUN",
)
_SULPHURS = frozenset(["SD", "SG", "S"])
_PHOSPHORUS = frozenset(["P", "PA", "PB", "PG"])
_DEUTERIUM = re.compile(r"D(?:[ABGDEZHN]?[0-9]*|[OH]?[0-9]*'*)")
_SIDE_CHAIN = re.compile(r"(?:[CNOS][ABGDEZH][0-9]?|[CNO]|OXT|H[ABGDEZHN]?[0-9]*)")
"""Names by remoteness from the backbone: alpha, beta, gamma, ... Those of any amino acid, modified ones included."""

_BEAD = re.compile(r"BB[0-9]*|SC[0-9]*|BAS")
"""Several atoms in one, as the names of MARTINI have it."""

_IONS = {
    "SOD": "NA",
    "CLA": "CL",
    "POT": "K",
    "CAL": "CA",
    "CES": "CS",
    "LIT": "LI",
    "RUB": "RB",
    "BAR": "BA",
    "CAD": "CD",
    "IOD": "I",
    "CIP": "NA",
    "CIM": "CL",
    "NIO": "NA",
    "CIO": "CL",
}
"""Ions by names that are no symbols: CHARMM, and what AMBER once called sodium and chloride."""


def is_polymer(residue: str) -> bool:
    """Whether the name is of an amino acid, a cap of a chain or a nucleotide, in any program's words."""
    residue = _plain(residue)
    return residue in _AMINO_ACIDS or residue in _NUCLEOTIDES


def is_known(residue: str) -> bool:
    """Whether the name is of water, an ion, an amino acid or a nucleotide, in any program's words."""
    return residue.upper() in WATERS or residue.upper() in _IONS or is_polymer(residue)


def is_virtual_site(residue: str, atom: str, element: str) -> bool:
    """Whether an atom by these names is none: a lone pair, an extra point, a fourth or fifth site of water.

    Parameters
    ----------
    element : as the file gives it, perhaps empty.
    """
    atom = atom.upper()
    if residue.upper() in WATERS:
        return atom[:1] in ("M", "E", "L")
    return gemmi.Element(element).atomic_number == 0 and _VIRTUAL_SITE.fullmatch(atom) is not None


def is_bead(residue: str, atom: str) -> bool:
    """Whether an atom by this name stands for several, in a coarse-grained model."""
    if residue.upper() in ("W", "WF", "PW") and atom.upper() in ("W", "WF", "WP", "WM"):
        return True
    return is_polymer(residue) and _BEAD.fullmatch(atom.upper()) is not None


def ion(residue: str, atom: str) -> str | None:
    """Symbol of the element where residue and atom are called as one ion is, else None."""
    symbol = _symbol(residue)
    return gemmi.Element(symbol).name if symbol and symbol == _symbol(atom) else None


def element(residue: str, atom: str) -> str | None:
    """Symbol of an atom's element where the names leave no doubt, else None.

    A CA is carbon in an amino acid and calcium in a residue that is called so.
    """
    residue, atom = residue.upper(), atom.upper().lstrip("0123456789'\"*")
    if residue in WATERS:
        return {"O": "O", "H": "H", "D": "D"}.get(atom[:1])
    if is_polymer(residue):
        return _in_polymer(residue, atom)
    if (found := ion(residue, atom)) is not None:
        return found
    if gemmi.find_tabulated_residue(residue).is_amino_acid() and residue != "UNK" and _SIDE_CHAIN.fullmatch(atom):
        return atom[0]
    return None


def contradicts(given: str, told: str) -> bool:
    """Whether two symbols are of two elements; deuterium is hydrogen."""
    pair = {gemmi.Element(given).name, gemmi.Element(told).name}
    return len(pair - {"D"} | ({"H"} if "D" in pair else set())) > 1


def _in_polymer(residue: str, atom: str) -> str | None:
    if atom in ("SE", "SED") and residue in ("MSE", "SEC"):
        return "Se"
    if atom[:1] == "D":
        return "D" if _DEUTERIUM.fullmatch(atom) else None
    if atom[:1] == "S":
        return "S" if atom in _SULPHURS else None
    if atom[:1] == "P":
        return "P" if atom in _PHOSPHORUS else None
    return atom[0] if atom[:1] in ("C", "N", "O", "H") else None


def _plain(residue: str) -> str:
    """AMBER's first and last residues of a chain by their own names: NALA and CALA are ALA."""
    residue = residue.upper()
    return residue[1:] if len(residue) >= 4 and residue[0] in "NC" and residue[1:] in _AMINO_ACIDS else residue


def _symbol(name: str) -> str | None:
    """Upper-case symbol of the element of an ion: of Na+, CA2+, SOD, ZN2."""
    bare = name.upper()
    bare = _IONS.get(bare, bare.rstrip("0123456789+-"))
    return bare if gemmi.Element(bare).name.upper() == bare not in ("X", "D") else None
