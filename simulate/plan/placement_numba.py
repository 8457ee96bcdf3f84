"""The loops of `placement`, compiled: one row of the plan at a time, rows spread over threads."""

import math

import numpy as np
from numba import njit, prange

from frames.rng.compiled import uniform

MOST_TRIES = 100_000
"""Of one particle. A ballistic flight meets a sphere once in sixteen times or so, any other is luckier."""

ROWS_AT_ONCE = 64
"""Rows that share their working memory."""

_compiled = njit(error_model="numpy", cache=True)
_parallel = njit(error_model="numpy", cache=True, parallel=True)


@_compiled
def _direction(state, index, out):
    """A unit vector, uniform on the sphere, from two numbers of the stream."""
    z = 2 * uniform(state, index) - 1
    angle = 2 * math.pi * uniform(state, index + 1)
    across = math.sqrt(max(0.0, 1 - z * z))
    out[0], out[1], out[2] = across * math.cos(angle), across * math.sin(angle), z


@_compiled
def _is_free(candidate, radius, positions, radii):
    """The sphere overlaps none of the others; a contact is exact only up to rounding."""
    for k in range(len(positions)):
        distance2 = 0.0
        for axis in range(3):
            distance2 += (candidate[axis] - positions[k, axis]) ** 2
        if distance2 < ((radii[k] + radius) * (1 - 1e-9)) ** 2:
            return False
    return True


@_compiled
def _beside(neighbour, towards, distance, candidate):
    for axis in range(3):
        candidate[axis] = neighbour[axis] + distance * towards[axis]


@_compiled
def _fly_to_sphere(state, index, positions, radii, radius, towards):
    """The sphere first met on a line between two random points of a sphere around all, and where, seen from its
    centre; -1 for a miss."""
    farthest = 0.0
    for k in range(len(positions)):
        farthest = max(farthest, math.sqrt((positions[k] ** 2).sum()) + radii[k])
    begin, end = np.empty(3), np.empty(3)
    _direction(state, index, begin)
    _direction(state, index + 2, end)
    begin *= max(2 * farthest, 4 * radius)
    end *= max(2 * farthest, 4 * radius)
    flight = (end - begin) / math.sqrt(((end - begin) ** 2).sum())
    target, nearest = -1, np.inf
    for k in range(len(positions)):
        to_centre = positions[k] - begin
        along = (to_centre * flight).sum()
        chord2 = radii[k] ** 2 - ((to_centre**2).sum() - along**2)
        if chord2 >= 0 and along - math.sqrt(chord2) < nearest:
            target, nearest = k, along - math.sqrt(chord2)
    if target >= 0:
        for axis in range(3):
            hit = begin[axis] + nearest * flight[axis]
            towards[axis] = (hit - positions[target, axis]) / radii[target]
    return target


@_parallel
def ballistic(states, start, radii):
    """Positions (p, 3) and which rows failed (n,), for radii (p,)."""
    positions, failed = np.zeros((len(radii), 3)), np.zeros(len(states), np.bool_)
    for row in prange(len(states)):
        index, first = 0, start[row]
        towards = np.empty(3)
        for particle in range(first + 1, start[row + 1]):
            others, sizes, placed = positions[first:particle], radii[first:particle], False
            for _ in range(MOST_TRIES):
                target = _fly_to_sphere(states[row], index, others, sizes, radii[particle], towards)
                index += 4
                if target >= 0:
                    distance = sizes[target] + radii[particle]
                    _beside(others[target], towards, distance, positions[particle])
                    placed = _is_free(positions[particle], radii[particle], others, sizes)
                    if placed:
                        break
            failed[row] |= not placed
    return positions, failed


@_parallel
def random_contact(states, start, radii):
    """Positions (p, 3) and which rows failed (n,), for radii (p,)."""
    positions, failed = np.zeros((len(radii), 3)), np.zeros(len(states), np.bool_)
    for row in prange(len(states)):
        index, first = 0, start[row]
        towards = np.empty(3)
        for particle in range(first + 1, start[row + 1]):
            others, sizes, placed = positions[first:particle], radii[first:particle], False
            for _ in range(MOST_TRIES):
                target = int(uniform(states[row], index) * len(others))
                _direction(states[row], index + 1, towards)
                index += 3
                _beside(others[target], towards, sizes[target] + radii[particle], positions[particle])
                placed = _is_free(positions[particle], radii[particle], others, sizes)
                if placed:
                    break
            failed[row] |= not placed
    return positions, failed


@_parallel
def dispersed(states, start, radii, reach):
    """Positions (p, 3) in a cylinder of radius and half length `reach` along z, and which rows failed (n,)."""
    positions, failed = np.zeros((len(radii), 3)), np.zeros(len(states), np.bool_)
    for row in prange(len(states)):
        index, first = 0, start[row]
        for particle in range(first, start[row + 1]):
            place, placed = positions[particle], False
            for _ in range(MOST_TRIES):
                across = reach * math.sqrt(uniform(states[row], index))
                angle = 2 * math.pi * uniform(states[row], index + 1)
                place[0], place[1] = across * math.cos(angle), across * math.sin(angle)
                place[2] = reach * (2 * uniform(states[row], index + 2) - 1)
                index += 3
                placed = _is_free(place, radii[particle], positions[first:particle], radii[first:particle])
                if placed:
                    break
            failed[row] |= not placed
    return positions, failed


@_compiled
def _flight_frame(towards, out):
    """Rows of `out`: two directions across the flight, and `towards`, from where the particle comes.

    Duff et al., Building an orthonormal basis, revisited, JCGT 6 (2017).
    """
    x, y, z = towards
    sign = math.copysign(1.0, z)
    a = -1 / (sign + z)
    b = x * y * a
    out[0, 0], out[0, 1], out[0, 2] = 1 + sign * x * x * a, sign * b, -sign * x
    out[1, 0], out[1, 1], out[1, 2] = b, sign + y * y * a, -y
    out[2, 0], out[2, 1], out[2, 2] = x, y, z


@_compiled
def _turn(points, turned, shift, out):
    """Points (n, 3) of a sample frame -> out (n, 3), turned and shifted."""
    for i in range(len(points)):
        for axis in range(3):
            row = turned[axis]
            out[i, axis] = row[0] * points[i, 0] + row[1] * points[i, 1] + row[2] * points[i, 2] + shift[axis]


@_compiled
def _mark_blocks(mine, my_sizes, other, other_sizes, reach, contact, height, my_marks, other_marks, near, origin):
    """Mark the blocks (n, 3) that hold an atom which might stop me above `height`, as if all were full balls.

    Working memory: `near` (5, m) the other's blocks in question, their place, size and mark, and where they came from.
    """
    my_marks[: len(mine)] = False
    other_marks[: len(other)] = False
    found, highest = 0, -np.inf
    for j in range(len(other)):
        x, y, z, size = other[j, 0], other[j, 1], other[j, 2], other_sizes[j]
        across = reach + contact + size
        if z + across > height and x * x + y * y < across * across:
            near[0, found], near[1, found], near[2, found], near[3, found], near[4, found] = x, y, z, size, 0
            origin[found] = j
            highest = max(highest, z + size)
            found += 1
    for i in range(len(mine)):
        x, y, z, size = mine[i, 0], mine[i, 1], mine[i, 2], my_sizes[i] + contact
        if highest - z + size <= height:
            continue
        marked = 0.0
        for j in range(found):  # without branches, so that it is vectorised
            # Balls side by side touch at a height difference √touching2; they matter if that is above `height`.
            touching2 = (near[3, j] + size) ** 2 - (near[0, j] - x) ** 2 - (near[1, j] - y) ** 2
            drop = height - (near[2, j] - z)
            matters = 1.0 if touching2 > max(0.0, drop * abs(drop)) else 0.0
            near[4, j] = max(near[4, j], matters)
            marked = max(marked, matters)
        my_marks[i] = marked > 0
    for j in range(found):
        other_marks[origin[j]] = near[4, j] > 0


@_compiled
def _gather(atoms, starts, marks, turned, shift, out):
    """The atoms of the marked blocks, turned and shifted, and how many."""
    found = 0
    for block in range(len(starts) - 1):
        if marks[block]:
            size = starts[block + 1] - starts[block]
            _turn(atoms[starts[block] : starts[block + 1]], turned, shift, out[found : found + size])
            found += size
    return found


@_compiled
def _stop(mine, other, reach, contact, height, cells, front, follower):
    """The greatest height of my centre at which one of my atoms is `contact` from one of the other's, or `height`.

    I come down along z; `mine` (n, 3) are my atoms from my centre, within `reach`, `other` (m, 3) from the line that my
    centre follows. The other's atoms are sorted into square cells of size `contact` across it: an atom of mine can only
    touch those of its own cell and the eight around, and where the highest atom of a cell would not stop me above
    `height`, none does. Working memory: first atom and greatest height of each cell, the next atom in the same cell.
    """
    half = reach + contact
    side = int(2 * half / contact) + 3
    cells[: side * side] = -1
    front[: side * side] = -np.inf
    for i in range(len(other)):
        x, y = other[i, 0], other[i, 1]
        if x * x + y * y < half * half:
            cell = (int((y + half) / contact) + 1) * side + int((x + half) / contact) + 1
            follower[i] = cells[cell]
            cells[cell] = i
            front[cell] = max(front[cell], other[i, 2])
    for j in range(len(mine)):
        x, y, z = mine[j]
        corner = int((y + half) / contact) * side + int((x + half) / contact)
        for beside in range(3):
            for cell in range(corner + beside * side, corner + beside * side + 3):
                if front[cell] - z + contact > height:
                    i = cells[cell]
                    while i >= 0:
                        left2 = contact**2 - (other[i, 0] - x) ** 2 - (other[i, 1] - y) ** 2
                        if left2 > 0:
                            height = max(height, other[i, 2] - z + math.sqrt(left2))
                        i = follower[i]
    return height


@_parallel
def surface_contact(states, start, species, rotations, radii, atoms, blocks, centres, reaches, bodies, contact):
    """Positions (p, 3) and which rows failed (n,).

    A contact is sought between the middle atoms of the blocks first; then between all atoms of those pairs of blocks
    that might stop the particle earlier, as most cannot. What comes out is the first contact among all pairs of atoms.

    Parameters
    ----------
    rotations : (p, 3, 3). radii : (p,).
    atoms, blocks, centres, reaches : of all bodies; body s has the blocks bodies[s]:bodies[s + 1].
    """
    positions, failed = np.zeros((len(radii), 3)), np.zeros(len(states), np.bool_)
    most_blocks, most_atoms = np.diff(bodies).max(), np.diff(blocks[bodies]).max()
    most_cells = (int(2 * (radii.max() + contact) / contact) + 3) ** 2
    middles = atoms[blocks[:-1]]
    for chunk in prange((len(states) + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE):
        cells, front = np.empty(most_cells, np.int64), np.empty(most_cells)
        follower = np.empty(most_atoms, np.int64)
        mine, other = np.empty((most_atoms, 3)), np.empty((most_atoms, 3))
        my_marks, other_marks = np.empty(most_blocks, np.bool_), np.empty(most_blocks, np.bool_)
        near = np.empty((5, most_blocks))
        towards, frame, offset, still = np.empty(3), np.empty((3, 3)), np.empty(3), np.zeros(3)
        for row in range(chunk * ROWS_AT_ONCE, min((chunk + 1) * ROWS_AT_ONCE, len(states))):
            index, first = 0, start[row]
            for particle in range(first + 1, start[row + 1]):
                a, b = bodies[species[particle]], bodies[species[particle] + 1]
                reach, middle, farthest = radii[particle], np.zeros(3), 0.0
                for k in range(first, particle):
                    middle += positions[k] / (particle - first)
                for k in range(first, particle):
                    farthest = max(farthest, math.sqrt(((positions[k] - middle) ** 2).sum()) + radii[k])
                placed = False
                for _ in range(MOST_TRIES):
                    _direction(states[row], index, towards)
                    across = (farthest + reach + contact) * math.sqrt(uniform(states[row], index + 2))
                    angle = 2 * math.pi * uniform(states[row], index + 3)
                    index += 4
                    _flight_frame(towards, frame)
                    path = middle + across * (math.cos(angle) * frame[0] + math.sin(angle) * frame[1])
                    mine_turned = frame @ rotations[particle]
                    height = -np.inf
                    for k in range(first, particle):
                        for axis in range(3):
                            offset[axis] = (frame[axis] * (positions[k] - path)).sum()
                        left2 = (radii[k] + reach + contact) ** 2 - offset[0] ** 2 - offset[1] ** 2
                        if left2 <= 0 or offset[2] + math.sqrt(left2) <= height:
                            continue
                        c, d = bodies[species[k]], bodies[species[k] + 1]
                        other_turned = frame @ rotations[k]
                        _turn(middles[a:b], mine_turned, still, mine)
                        _turn(middles[c:d], other_turned, offset, other)
                        height = _stop(mine[: b - a], other[: d - c], reach, contact, height, cells, front, follower)
                        _turn(centres[a:b], mine_turned, still, mine)
                        _turn(centres[c:d], other_turned, offset, other)
                        _mark_blocks(
                            mine[: b - a],
                            reaches[a:b],
                            other[: d - c],
                            reaches[c:d],
                            reach,
                            contact,
                            height,
                            my_marks,
                            other_marks,
                            near,
                            follower,
                        )
                        m = _gather(atoms, blocks[a : b + 1], my_marks, mine_turned, still, mine)
                        n = _gather(atoms, blocks[c : d + 1], other_marks, other_turned, offset, other)
                        height = _stop(mine[:m], other[:n], reach, contact, height, cells, front, follower)
                    placed = height > -np.inf
                    if placed:
                        positions[particle] = path + height * towards
                        break
                failed[row] |= not placed
    return positions, failed
