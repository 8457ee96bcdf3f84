"""Alternative positions: of each atom one is taken, of residues that share a place in the chain one."""

from collections import defaultdict
from itertools import groupby
from statistics import fmean

import gemmi

_TAKEN, REJECTED = "t", "r"
"""Flags of atoms with alternative positions."""


def reject(model: gemmi.Model, choice: str) -> None:
    """Flag all but one alternative of each atom, and all but one residue where several share a place in the chain."""
    for chain in model:
        for residues in _places(chain):
            labelled = [(residue.name, atom) for residue in residues for atom in _labelled(residue)]
            if labelled and residues[0].seqid.num is None:
                raise ValueError(f"alternative positions in a residue without a number, chain {chain.name}; number it")
            if labelled:
                _reject_in_place(labelled, choice)


def _places(chain: gemmi.Chain) -> list[list[gemmi.Residue]]:
    """The residues of each place in a chain, wherever in the file its alternatives are.

    Numbers may begin again in a chain: residues of one number that are apart share a place if no label is of both.
    """
    places: list[list[gemmi.Residue]] = []
    labelled: dict[str, list[list[gemmi.Residue]]] = defaultdict(list)
    for number, residues in groupby(chain, key=lambda residue: str(residue.seqid)):
        place = list(residues)
        if labels := _labels(place):
            other = next((known for known in labelled[number] if not labels & _labels(known)), None)
            if other is not None:
                other += place
                continue
            labelled[number].append(place)
        places.append(place)
    return places


def _labels(residues: list[gemmi.Residue]) -> set[str]:
    return {atom.altloc for residue in residues for atom in residue if atom.has_altloc()}


def _labelled(residue: gemmi.Residue) -> list[gemmi.Atom]:
    """Atoms with a label, and those without one whose name another atom has with one: the first of its positions."""
    names = {atom.name for atom in residue if atom.has_altloc()}
    return [atom for atom in residue if atom.has_altloc() or atom.name in names]


def _reject_in_place(labelled: list[tuple[str, gemmi.Atom]], choice: str) -> None:
    occupancies = defaultdict(list)
    for _, atom in labelled:
        occupancies[atom.altloc].append(atom.occ)
    order = sorted(occupancies)
    if choice == "highest_occupancy":
        order.sort(key=lambda label: -fmean(occupancies[label]))
    labelled.sort(key=lambda pair: order.index(pair[1].altloc))
    residue_taken = labelled[0][0]
    alternatives = defaultdict(list)
    for residue_name, atom in labelled:
        atom.flag = REJECTED
        if residue_name == residue_taken:
            alternatives[atom.name].append(atom)
    only_residue = all(residue_name == residue_taken for residue_name, _ in labelled)
    for taken, *others in alternatives.values():
        taken.flag = _TAKEN
        if others or not only_residue:
            taken.occ = 1.0
