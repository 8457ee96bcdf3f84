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
        for number, place in groupby(chain, key=lambda residue: residue.seqid):
            labelled = [(residue.name, atom) for residue in place for atom in residue if atom.has_altloc()]
            if labelled and number.num is None:
                raise ValueError(f"alternative positions in a residue without a number, chain {chain.name}; number it")
            if labelled:
                _reject_in_place(labelled, choice)


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
