"""What is hit: one row per pattern, drawn once, before anything is rendered.

A plan's file, Parquet:

| column | meaning |
| --- | --- |
| pattern | index of the row, and of the image in every dataset |
| structure | id that names the class; empty for multiplicity 0, which is one class of its own |
| hit_multiplicity | particles in the shot |
| split | train, validation or test: each is one contiguous block of rows, shuffled inside |
| seed | of this pattern's own random numbers, whatever they are for |
| species | one per particle: which structure of the run it is, counted from 0 in the order of the config |
| orientations | one (w, x, y, z) per particle |
| positions | one (x, y, z) per particle, lab frame, Å |

A row's seed comes from the plan's seed, the structure's id, the multiplicity and a running number in that class, and
all else of a row from its seed, so a pattern stays the same when structures or multiplicities are added or
patterns_per_class grows. Only where species are mixed can a new structure enter a shot: it takes the places that it
wins, see `_species`.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from frames.files import read_rows, read_table, write_table
from frames.labels import SPLITS
from frames.rng import GAMMA, mix, normals, states, uniforms
from simulate.plan import placement as placements
from simulate.plan.config import PlanConfig, share_of
from simulate.plan.placement import Body


@dataclass(frozen=True)
class Plan:
    """Rows of a plan and their particles."""

    table: pd.DataFrame
    """pattern, structure, hit_multiplicity, split, seed: as in the file; a row's place here is no index of its own."""
    start: NDArray[np.int64]
    """(n + 1,) particles of row i are start[i]:start[i + 1]."""
    species: NDArray[np.int64]
    """(p,) index into the run's structures."""
    orientations: NDArray[np.float64]
    """(p, 4) unit quaternions (w, x, y, z), w >= 0."""
    positions: NDArray[np.float64]
    """(p, 3) lab frame [Å]."""

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, rows: slice) -> Self:
        """Neighbouring rows, in their order."""
        return self.take(np.arange(len(self))[rows])

    def take(self, indices: NDArray[np.int64]) -> Self:
        """The rows at these places, in this order."""
        counts = np.diff(self.start)[indices]
        start = np.concatenate([[0], np.cumsum(counts)])
        particles = np.arange(start[-1]) + np.repeat(self.start[:-1][indices] - start[:-1], counts)
        return type(self)(
            table=self.table.iloc[indices].reset_index(drop=True),
            start=start,
            species=self.species[particles],
            orientations=self.orientations[particles],
            positions=self.positions[particles],
        )


def draw(config: PlanConfig, placement: str, bodies: Mapping[str, Body], *, first_number: int = 0) -> Plan:
    """Draw the whole plan.

    Parameters
    ----------
    placement : a model of simulate/plan/placement.py.
    bodies :    of every structure, in the order of the config.
    first_number : running number, in its class, of each class's first pattern.

    Raises
    ------
    KeyError or ValueError from `placement.place`.
    """
    return placed(unplaced(config, list(bodies), first_number=first_number), placement, bodies, config)


def unplaced(config: PlanConfig, names: Sequence[str], *, first_number: int = 0) -> Plan:
    """The same of these structures, in the order of the config, but for where particles lie: all are at the origin."""
    names, size = list(names), config.patterns_per_class
    classes = [(name, m) for name in names for m in config.hit_multiplicities if m]
    if 0 in config.hit_multiplicities:
        classes.append(("", 0))
    seeds, species, orientations = [], [np.empty(0, np.int64)], [np.empty((0, 4))]
    for name, multiplicity in classes:
        own = row_seeds(config.seed, name, multiplicity, first_number + np.arange(size))
        seeds.append(own)
        if multiplicity:
            species.append(_species(own, multiplicity, name, names, config.mixed_fraction).ravel())
            orientations.append(_orientations(own, multiplicity))
    counts = np.repeat([multiplicity for _, multiplicity in classes], size)
    table = pd.DataFrame(
        {
            "structure": np.repeat(np.array([name for name, _ in classes], dtype=object), size),
            "hit_multiplicity": counts.astype(np.int16),
            "split": np.tile(_splits(config), len(classes)),
            "seed": np.concatenate(seeds),
        }
    )
    start = np.concatenate([[0], np.cumsum(counts)])
    all_species, all_orientations = np.concatenate(species), np.concatenate(orientations)
    order = np.random.default_rng(config.seed).permutation(len(table))
    order = order[np.argsort(pd.Categorical(table["split"], SPLITS).codes[order], kind="stable")]
    plan = Plan(table, start, all_species, all_orientations, np.zeros((len(all_species), 3))).take(order)
    plan.table.insert(0, "pattern", np.arange(len(plan)))
    return plan


def placed(plan: Plan, placement: str, bodies: Mapping[str, Body], config: PlanConfig) -> Plan:
    """The rows of a plan, each with its particles where the model puts them, whatever other rows there are."""
    stream = states(plan.table["seed"].to_numpy(), "placement")
    where = stream, plan.start, plan.species, plan.orientations, bodies, config.placement
    return replace(plan, positions=placements.place(placement, *where))


def only(plan: Plan, structures: Sequence[str], among: Sequence[str]) -> Plan:
    """The rows of these structures, and those without a particle, in their order; species are counted among them.

    Parameters
    ----------
    among : ids of the structures that the plan was drawn for, in the order of the config; `structures` has the same.
    """
    if list(structures) == list(among):
        return plan
    kept = plan.take(np.flatnonzero(np.isin(plan.table["structure"].to_numpy(str), ["", *structures])))
    number = np.full(len(among), -1)
    number[[list(among).index(name) for name in structures]] = np.arange(len(structures))
    return replace(kept, species=number[kept.species])


def select(plan: Plan, shares: Mapping[int, float]) -> Plan:
    """The rows that a dataset holds, in their order: of these hit multiplicities a share, the same in every class and
    split, of others all.

    The rows with the smallest seeds of their class and split are kept: which ones hangs on no other class, and a
    smaller share is part of a larger one.
    """
    if not shares:
        return plan
    classes = plan.table.groupby(["structure", "hit_multiplicity", "split"], sort=False)
    code, sizes = classes.ngroup().to_numpy(), classes.size()
    kept = np.array([share_of(n, shares.get(m, 1.0)) for (_, m, _), n in sizes.items()])
    order = np.lexsort((plan.table["seed"].to_numpy(), code))
    rank = np.empty(len(plan), np.int64)
    rank[order] = np.arange(len(plan)) - np.concatenate([[0], np.cumsum(sizes)])[code[order]]
    return plan.take(np.flatnonzero(rank < kept[code]))


def row_seeds(plan_seed: int, structure: str, hit_multiplicity: int, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The 64-bit seeds (n,) of the patterns with these running numbers (n,) in a class; all differ."""
    seeds = np.zeros(len(numbers), np.uint64)
    with np.errstate(over="ignore"):
        for value in (plan_seed, zlib.crc32(structure.encode()), hit_multiplicity, numbers):
            # The step keeps 0 from being mixed to 0.
            seeds = mix((seeds + np.uint64(GAMMA)) ^ np.asarray(value).astype(np.uint64))
    return seeds


def _splits(config: PlanConfig) -> NDArray[np.object_]:
    """Split of every running number in a class."""
    return np.repeat(np.array(SPLITS, dtype=object), [config.split_sizes[split] for split in SPLITS])


def _orientations(seeds: NDArray[np.uint64], multiplicity: int) -> NDArray[np.float64]:
    """(n · multiplicity, 4) quaternions, uniform over SO(3) as in `orientation.random_orientations`."""
    quaternions = normals(seeds, "orientation", 4 * multiplicity).reshape(-1, 4)
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    return np.where(quaternions[:, :1] < 0, -quaternions, quaternions)


def _species(
    seeds: NDArray[np.uint64], multiplicity: int, name: str, names: list[str], mixed_fraction: float
) -> NDArray[np.int64]:
    """(n, multiplicity) structures: all the same, but in a mixed row any for the particles after the first.

    A row is mixed with probability `mixed_fraction`. There every structure has a number of its own for every place, and
    the largest one wins: each is as likely, their order does not matter, and a structure that is added to the run
    changes nothing but the places that it wins.
    """
    species = np.full((len(seeds), multiplicity), names.index(name))
    rows = np.flatnonzero(uniforms(seeds, "species", 1)[:, 0] < mixed_fraction)
    if multiplicity > 1 and len(rows):
        keys = mix(np.array([zlib.crc32(candidate.encode()) for candidate in names], np.uint64))
        draws = [uniforms(seeds[rows] ^ key, "species", multiplicity - 1) for key in keys]
        species[rows, 1:] = np.argmax(draws, axis=0)
    return species


def write(plan: Plan, path: Path | str) -> None:
    """Write a plan as Parquet, atomically."""
    table = pa.Table.from_pandas(plan.table, preserve_index=False)
    offsets = pa.array(plan.start, pa.int32())
    for name, values in (
        ("species", pa.array(plan.species, pa.int16())),
        ("orientations", pa.FixedSizeListArray.from_arrays(pa.array(plan.orientations.ravel()), 4)),
        ("positions", pa.FixedSizeListArray.from_arrays(pa.array(plan.positions.ravel()), 3)),
    ):
        table = table.append_column(name, pa.ListArray.from_arrays(offsets, values))
    write_table(path, table)


def read(path: Path | str, rows: slice | None = None) -> Plan:
    """Read a plan written by `write`, or rows start:stop of it, for which the others need not be read."""
    table = read_table(path) if rows is None else read_rows(path, rows)
    species, orientations, positions = (
        table[name].combine_chunks() for name in ("species", "orientations", "positions")
    )
    start = species.offsets.to_numpy().astype(np.int64)
    return Plan(
        table=table.drop_columns(["species", "orientations", "positions"]).to_pandas(),
        start=start - start[0],
        species=species.flatten().to_numpy().astype(np.int64),
        orientations=orientations.flatten().flatten().to_numpy().reshape(-1, 4),
        positions=positions.flatten().flatten().to_numpy().reshape(-1, 3),
    )
