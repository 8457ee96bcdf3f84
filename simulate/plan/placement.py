"""How the particles of a shot lie together.

`ballistic`        skopi's model: each further particle flies along a random straight line through the aggregate's
                   surroundings and sticks to the first bounding sphere it meets, pushed out to contact along the line
                   of centres.
`random_contact`   each further particle's bounding sphere touches that of a randomly chosen earlier one, in a uniformly
                   random direction.
`surface_contact`  molecules touch, not spheres: each further particle flies, in its own orientation, along a random
                   straight line until the first of its atoms is as near as the contact distance to an atom of the
                   aggregate. Direction and place of the line are uniform: an even rain of particles from all around.
`dispersed`        every particle lies anywhere in a cylinder along the beam; bounding spheres do not overlap.
`either_contact`   of every two shots one as `ballistic`, one as `surface_contact`, by chance: to learn from.

The models of contact put the first particle at the origin, and every particle touches another. A particle that misses
or would overlap tries again, keeping its orientation, so orientations stay uniform in every model. Particles may be of
different structures. All random numbers of a row come from its own stream `placement`, one after another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frames.rng import mix
from simulate.orientation import rotation_matrices
from simulate.plan.config import PlacementConfig

Array = NDArray[np.float64]

MODELS = ("ballistic", "random_contact", "surface_contact", "dispersed", "either_contact")

LEAST_RADIUS = 1.0
"""Of a body, a single atom: a sphere without extent is met by none [Å]."""

BLOCK_EDGE = 18.0
"""Of the cubes into which atoms are sorted [Å]. It decides the time of surface contacts alone, which is least there."""


@dataclass(frozen=True)
class Body:
    """A molecule as other particles meet it: the sphere around it, and its atoms in blocks of neighbours."""

    radius: float
    """Largest distance of an atom from the origin of the sample frame, at least LEAST_RADIUS [Å]."""
    atoms: Array
    """(n, 3) sample frame, block after block [Å]."""
    blocks: NDArray[np.int64]
    """(k + 1,) atoms of block i are blocks[i]:blocks[i + 1]; the first is the one nearest to the block's centre."""
    centres: Array
    """(k, 3) of the blocks [Å]."""
    reaches: Array
    """(k,) largest distance of an atom from its block's centre [Å]."""


def body_of(positions: Array) -> Body:
    """The body of a molecule with atoms at (n, 3) `positions`, sample frame [Å].

    Raises
    ------
    ValueError for positions that are none, not finite or of another shape.
    """
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3 or not len(positions) or not np.isfinite(positions).all():
        raise ValueError(f"positions {positions.shape} must be finite and of shape (n, 3) with n > 0")
    cubes = np.floor((positions - positions.min(axis=0)) / BLOCK_EDGE).astype(np.int64)
    _, block, sizes = np.unique(cubes, axis=0, return_inverse=True, return_counts=True)
    block = block.reshape(-1)
    centres = np.stack([np.bincount(block, weights=column) for column in positions.T], axis=1) / sizes[:, None]
    distance = np.linalg.norm(positions - centres[block], axis=1)
    order = np.lexsort((distance, block))
    ends = np.cumsum(sizes)
    return Body(
        radius=max(float(np.linalg.norm(positions, axis=1).max()), LEAST_RADIUS),
        atoms=positions[order],
        blocks=np.concatenate([[0], ends]),
        centres=centres,
        reaches=distance[order][ends - 1],
    )


def place(
    model: str,
    states: NDArray[np.uint64],
    start: NDArray[np.int64],
    species: NDArray[np.int64],
    orientations: Array,
    bodies: Mapping[str, Body],
    config: PlacementConfig,
) -> Array:
    """Where the particles of n rows lie: (p, 3) positions, lab frame [Å].

    Parameters
    ----------
    model :        one of `MODELS`.
    states :       (n,) state of each row's stream `placement`.
    start :        (n + 1,) particles of row i are start[i]:start[i + 1].
    species :      (p,) index into `bodies`, in their order.
    orientations : (p, 4) unit quaternions (w, x, y, z).

    Raises
    ------
    KeyError for an unknown model.
    ValueError where particles found no place.
    """
    from simulate.plan import placement_numba as loops

    if model not in MODELS:
        raise KeyError(f"no placement model {model!r}; known: {', '.join(MODELS)}")
    if not len(species):
        return np.empty((0, 3))
    if model == "either_contact":
        return _either(states, start, species, orientations, bodies, config)
    radii = np.array([body.radius for body in bodies.values()])[species]
    if model == "ballistic":
        positions, failed = loops.ballistic(states, start, radii)
    elif model == "random_contact":
        positions, failed = loops.random_contact(states, start, radii)
    elif model == "dispersed":
        positions, failed = loops.dispersed(states, start, radii, config.dispersion_radius_um * 1e4)
    else:
        atoms, blocks, centres, reaches, first_blocks = _joined(list(bodies.values()))
        positions, failed = loops.surface_contact(
            states,
            start,
            species,
            rotation_matrices(orientations),
            radii,
            atoms,
            blocks,
            centres,
            reaches,
            first_blocks,
            config.contact_distance_angstrom,
        )
    if failed.any():
        raise ValueError(
            f"{model}: {failed.sum()} of {len(states)} rows found no place for a particle in {loops.MOST_TRIES} tries; "
            "raise dispersion_radius_um or lower the hit multiplicity"
        )
    return positions


def _either(
    states: NDArray[np.uint64],
    start: NDArray[np.int64],
    species: NDArray[np.int64],
    orientations: Array,
    bodies: Mapping[str, Body],
    config: PlacementConfig,
) -> Array:
    """Each row by the first bit of its mixed state: as it would be if all rows were placed by that model."""
    counts, positions = np.diff(start), np.empty((len(species), 3))
    of_spheres = mix(states) >> np.uint64(63) == 1
    for model, rows in (("ballistic", of_spheres), ("surface_contact", ~of_spheres)):
        mine = np.repeat(rows, counts)
        starts = np.concatenate([[0], np.cumsum(counts[rows])])
        positions[mine] = place(model, states[rows], starts, species[mine], orientations[mine], bodies, config)
    return positions


def _joined(bodies: Sequence[Body]) -> tuple[NDArray, ...]:
    """Atoms, blocks, centres and reaches of all bodies in a row, and the first block of each body and the end."""
    atoms_before = np.cumsum([0, *(len(body.atoms) for body in bodies)])
    starts = [body.blocks[:-1] + before for body, before in zip(bodies, atoms_before[:-1], strict=True)]
    return (
        np.concatenate([body.atoms for body in bodies]),
        np.concatenate([*starts, atoms_before[-1:]]),
        np.concatenate([body.centres for body in bodies]),
        np.concatenate([body.reaches for body in bodies]),
        np.cumsum([0, *(len(body.centres) for body in bodies)]),
    )
