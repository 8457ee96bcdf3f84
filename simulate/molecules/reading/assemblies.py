"""Assemblies of an entry: which chains are copied by which operators."""

import re
from itertools import pairwise, product

import gemmi
import numpy as np

_BIOMT = re.compile(r"REMARK 350   BIOMT([123])([ \d]{4})(.*)")
_NUMBER = re.compile(r"[-+]?\d*\.?\d+")


def assembled(
    structure: gemmi.Structure, model: gemmi.Model, name: str, block: gemmi.cif.Block | None
) -> tuple[gemmi.Model, list[str]]:
    """A model as an assembly of the file has it, or as deposited, and the chains that the file does not have for it.

    Parameters
    ----------
    block : of an mmCIF file, whose assemblies are read from there: the parser of structures passes some over.

    Raises
    ------
    ValueError for an unknown assembly, one whose description is incomplete, or none of whose chains is there.
    """
    if name == "deposited":
        return model, []
    known = _of_block(block, name) if block is not None else {found.name: found for found in structure.assemblies}
    if name not in known:
        raise ValueError(f"no assembly {name!r}; it has {sorted(known)} and 'deposited'")
    if block is None:
        _check_remarks(structure)
    absent = _without_absent(known[name], model)
    _check_rotations(known[name])
    return gemmi.make_assembly(known[name], model, gemmi.HowToNameCopiedChain.Dup), absent


def _without_absent(assembly: gemmi.Assembly, model: gemmi.Model) -> list[str]:
    """Take chains from an assembly that somebody took from the file, as its waters; returns their names."""
    chains = {chain.name for chain in model}
    subchains = {residue.subchain for chain in model for residue in chain}
    absent, present = [], 0
    for generator in assembly.generators:
        absent += [name for name in generator.chains if name not in chains]
        absent += [name for name in generator.subchains if name not in subchains]
        generator.chains = [name for name in generator.chains if name in chains]
        generator.subchains = [name for name in generator.subchains if name in subchains]
        present += len(generator.chains) + len(generator.subchains)
    if not present:
        raise ValueError(
            f"assembly {assembly.name!r} is of chains {', '.join(dict.fromkeys(absent))}, none of which the file has; "
            "use assembly 'deposited', or the whole entry"
        )
    return list(dict.fromkeys(absent))


def _check_rotations(assembly: gemmi.Assembly) -> None:
    for generator in assembly.generators:
        for operator in generator.operators:
            matrix = np.array(operator.transform.mat.tolist())
            # Six digits, and products of three.
            if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) or np.linalg.det(matrix) < 0:
                raise ValueError(
                    f"operator {operator.name!r} of assembly {assembly.name!r} is no rotation: {matrix.tolist()}; "
                    "correct the file"
                )


def _check_remarks(structure: gemmi.Structure) -> None:
    rows = [found for line in structure.raw_remarks if (found := _BIOMT.match(line))]
    serials: list[str] = []
    for place, row in enumerate(rows):
        serials.append(row[2])
        # The parser reads them by their columns, three of %10.6f and one of %15.5f.
        columns = [row[3][start:end].strip() for start, end in ((0, 10), (10, 20), (20, 30), (30, 45))]
        read = row[3].split() == columns and all(map(_NUMBER.fullmatch, columns))
        if int(row[1]) != place % 3 + 1 or serials[place - place % 3] != row[2] or not read:
            raise ValueError(
                f"{row[0].rstrip()!r} is not the row of an operator that comes next in REMARK 350: each has BIOMT1, "
                "BIOMT2 and BIOMT3, with its number, three numbers of a rotation and one of a shift; correct the file"
            )
    n_read = sum(len(generator.operators) for found in structure.assemblies for generator in found.generators)
    if 3 * n_read != len(rows):
        raise ValueError(f"{n_read} operators read of {len(rows)} rows BIOMT in REMARK 350, which has three for each")
    # REMARK 350 of old PDB files may continue its list of chains on a bare line, which gemmi passes over: 1MNF would
    # come out with 9 of its 28 chains.
    remarks = [line[11:].strip() for line in structure.raw_remarks if line.startswith("REMARK 350")]
    for line, following in pairwise(remarks):
        if "CHAINS:" in line and line.endswith(",") and "CHAINS:" not in following:
            raise ValueError(
                f"REMARK 350 continues its list of chains in an old way ({following!r}) that would lose chains; use "
                "assembly 'deposited' or the entry's mmCIF file"
            )


def _of_block(block: gemmi.cif.Block, wanted: str) -> dict[str, gemmi.Assembly]:
    """Assemblies by name; that which is wanted with its operators, of others the name alone."""
    rows = [
        [gemmi.cif.as_string(value) for value in row]
        for row in block.find("_pdbx_struct_assembly_gen.", ["assembly_id", "oper_expression", "asym_id_list"])
    ]
    listed = [gemmi.cif.as_string(value) for value in block.find_values("_pdbx_struct_assembly.id")]
    known = {name: gemmi.Assembly(name) for name in dict.fromkeys([*listed, *(row[0] for row in rows)])}
    if wanted in known and wanted not in [row[0] for row in rows]:
        raise ValueError(f"assembly {wanted!r} is listed without operators (_pdbx_struct_assembly_gen): not supported")
    if wanted in known:
        operators = _operators(block)
        for _, expression, chains in (row for row in rows if row[0] == wanted):
            known[wanted].generators.append(_generator(wanted, expression, chains, operators))
    return known


def _operators(block: gemmi.cif.Block) -> dict[str, gemmi.Transform]:
    tags = ["id", *(f"matrix[{i}][{j}]" for i in (1, 2, 3) for j in (1, 2, 3)), *(f"vector[{i}]" for i in (1, 2, 3))]
    found = {}
    for row in block.find("_pdbx_struct_oper_list.", tags):
        numbers = [gemmi.cif.as_number(value) for value in list(row)[1:]]
        if any(number != number for number in numbers):
            raise ValueError(f"operator {row.str(0)!r} of _pdbx_struct_oper_list is not of twelve numbers")
        matrix = gemmi.Mat33([numbers[0:3], numbers[3:6], numbers[6:9]])
        found[row.str(0)] = gemmi.Transform(matrix, gemmi.Vec3(*numbers[9:]))
    return found


def _generator(name: str, expression: str, chains: str, operators: dict[str, gemmi.Transform]) -> "gemmi.Assembly.Gen":
    generator = gemmi.Assembly.Gen()
    generator.subchains = [chain.strip() for chain in chains.split(",") if chain.strip()]
    for combined in products(expression):
        if missing := [single for single in combined if single not in operators]:
            raise ValueError(f"assembly {name!r} asks for operator {missing[0]!r}, which the file does not have")
        transform = operators[combined[-1]]
        for single in reversed(combined[:-1]):  # the last is applied first
            transform = operators[single].combine(transform)
        operator = gemmi.Assembly.Operator()
        operator.name, operator.transform = "".join(combined), transform
        generator.operators.append(operator)
    return generator


def products(expression: str) -> list[tuple[str, ...]]:
    """Names of the operators of `1`, `1,4`, `(1-60)`, `(X0)(1-5,11)`: of every copy those to apply, the last one first.

    Raises
    ------
    ValueError for an expression of another form.
    """
    bare = re.sub(r"\s", "", expression)
    if not re.fullmatch(r"(?:\([\w,.-]+\))+|[\w,.-]+", bare):
        raise ValueError(f"oper_expression {expression!r} is of an unknown form, expected as '(X0)(1-5,11)'")
    return list(product(*(_listed(group) for group in re.findall(r"[^()]+", bare))))


def _listed(group: str) -> list[str]:
    found = []
    for part in group.split(","):
        if span := re.fullmatch(r"(\d+)-(\d+)", part):
            found += [str(number) for number in range(int(span[1]), int(span[2]) + 1)]
        elif part:
            found.append(part)
    return found
