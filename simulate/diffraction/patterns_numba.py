"""Patterns on the CPU: compiled loops, one shot per thread.

A shot is rendered in two passes. Each particle is sliced from its volume on a coarse grid and refined along x
(`_particle`); then the image is made row by row, everything of a row in the first-level cache: the particles' fields
refined along y, shifted to their places, summed, scaled to photons (`_sum_rows`). Loops over pixels have no branches
and no calls, so that they are vectorised.
"""

import math

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from simulate.diffraction.refinement import Refinement, coarse_places
from simulate.diffraction.vector_numba import add_scaled, lane, load, scaled
from simulate.diffraction.volume import SPLINE_MARGIN, Volume, VolumeStack, stack
from simulate.orientation import rotation_matrices
from simulate.plan.shots import Shots

FloatArray = NDArray[np.float32]

f32 = np.float32

_compiled = njit(fastmath=True, error_model="numpy", cache=True)
_inlined = njit(fastmath=True, error_model="numpy", inline="always")


@_compiled
def _find_nodes(n, rotation, qx, qy, qz, corner, t):
    """Of each point rotationᵀ·q, q in voxels: where its 27 nodes begin in the flat field, and how it lies between them.

    t (4, points): distance from the middle node along x, y and z, within ±1/2; and −1 where F(−q)* is read for F(q).
    """
    size, half = np.int32(n), f32(n // 2)
    for p in range(qx.shape[0]):
        x = rotation[0, 0] * qx[p] + rotation[1, 0] * qy[p] + rotation[2, 0] * qz[p]
        y = rotation[0, 1] * qx[p] + rotation[1, 1] * qy[p] + rotation[2, 1] * qz[p]
        z = rotation[0, 2] * qx[p] + rotation[1, 2] * qy[p] + rotation[2, 2] * qz[p]
        sign = f32(1.0) if x >= 0 else f32(-1.0)
        x = x * sign + f32(SPLINE_MARGIN)
        y = y * sign + half
        z = z * sign + half
        ix, iy, iz = np.int32(x + f32(0.5)), np.int32(y + f32(0.5)), np.int32(z + f32(0.5))
        corner[p] = 2 * (((ix - 1) * size + (iy - 1)) * size + (iz - 1))
        t[0, p] = x - f32(ix)
        t[1, p] = y - f32(iy)
        t[2, p] = z - f32(iz)
        t[3, p] = sign


@_compiled
def _sum_nodes(field, n, corner, t, real, imag):
    """F by quadratic B-splines, from what `_find_nodes` found. `field` is flat, real and imaginary parts interleaved.

    The three nodes along z are six neighbours in memory, so nine loads fetch all 27.
    """
    row, plane = np.int64(2 * n), np.int64(2 * n * n)
    for p in range(real.shape[0]):
        k = np.int64(corner[p])
        x0, x1, x2 = _spline(t[0, p])
        y0, y1, y2 = _spline(t[1, p])
        z0, z1, z2 = _spline(t[2, p])
        nodes = scaled(_line(field, k, row, y0, y1, y2), x0)
        nodes = add_scaled(nodes, _line(field, k + plane, row, y0, y1, y2), x1)
        nodes = add_scaled(nodes, _line(field, k + 2 * plane, row, y0, y1, y2), x2)
        real[p] = z0 * lane(nodes, 0) + z1 * lane(nodes, 2) + z2 * lane(nodes, 4)
        imag[p] = (z0 * lane(nodes, 1) + z1 * lane(nodes, 3) + z2 * lane(nodes, 5)) * t[3, p]


@_inlined
def _line(field, k, row, y0, y1, y2):
    """Nodes along z, summed over the three rows of a plane."""
    return add_scaled(add_scaled(scaled(load(field, k), y0), load(field, k + row), y1), load(field, k + 2 * row), y2)


@_inlined
def _spline(t):
    """Weights of the quadratic B-spline at the nodes −1, 0, 1, for |t| <= 1/2."""
    below, above = f32(0.5) - t, f32(0.5) + t
    return f32(0.5) * below * below, f32(0.75) - t * t, f32(0.5) * above * above


@_inlined
def _weighted(rows, first, weights, out):
    """out = Σ_k weights[k] · rows[first + k], along a row."""
    w0, w1, w2, w3, w4, w5, w6, w7 = (
        weights[0], weights[1], weights[2], weights[3], weights[4], weights[5], weights[6], weights[7],
    )  # fmt: skip
    a, b, c, d = rows[first], rows[first + 1], rows[first + 2], rows[first + 3]
    e, f, g, h = rows[first + 4], rows[first + 5], rows[first + 6], rows[first + 7]
    for x in range(out.shape[0]):
        out[x] = (w0 * a[x] + w1 * b[x] + w2 * c[x] + w3 * d[x]) + (w4 * e[x] + w5 * f[x] + w6 * g[x] + w7 * h[x])


@_compiled
def _turn(k, shift, s, real, imag):
    """Multiply a row of the field by exp(i k (s − shift)), s = n·d."""
    to_turns = k * f32(1 / (2 * math.pi))
    for x in range(s.shape[0]):
        turns = (s[x] - shift) * to_turns
        turns -= np.floor(turns + f32(0.5))
        # Series of sin and cos at half the angle, |t| <= π/2 (error below 6e-8), then doubled: no branches, so the
        # loop is vectorised, which calls of the library's sin and cos would prevent.
        t = turns * f32(math.pi)
        t2 = t * t
        sine = f32(-1 / 39916800)
        sine = sine * t2 + f32(1 / 362880)
        sine = sine * t2 + f32(-1 / 5040)
        sine = sine * t2 + f32(1 / 120)
        sine = sine * t2 + f32(-1 / 6)
        sine = (sine * t2 + f32(1)) * t
        cosine = f32(1 / 479001600)
        cosine = cosine * t2 + f32(-1 / 3628800)
        cosine = cosine * t2 + f32(1 / 40320)
        cosine = cosine * t2 + f32(-1 / 720)
        cosine = cosine * t2 + f32(1 / 24)
        cosine = cosine * t2 + f32(-1 / 2)
        cosine = cosine * t2 + f32(1)
        cosine, sine = f32(1) - f32(2) * sine * sine, f32(2) * sine * cosine
        r, i = real[x], imag[x]
        real[x] = r * cosine - i * sine
        imag[x] = r * sine + i * cosine


@_compiled
def _add_interference(farthest, u_a, v_a, u_b, v_b, real_a, imag_a, real_b, imag_b, total):
    """total += 2 Re(F_a F_b*), averaged over the pixel's box: times sinc(u) sinc(v)."""
    if farthest < 1:
        for x in range(total.shape[0]):
            u, v = u_a[x] - u_b[x], v_a[x] - v_b[x]
            cross = real_a[x] * real_b[x] + imag_a[x] * imag_b[x]
            total[x] += f32(2) * cross * _sinc_near(u * u) * _sinc_near(v * v)
    elif farthest < math.pi:
        for x in range(total.shape[0]):
            u, v = u_a[x] - u_b[x], v_a[x] - v_b[x]
            cross = real_a[x] * real_b[x] + imag_a[x] * imag_b[x]
            total[x] += f32(2) * cross * _sinc_series(u * u) * _sinc_series(v * v)
    else:
        for x in range(total.shape[0]):
            u, v = u_a[x] - u_b[x], v_a[x] - v_b[x]
            cross = real_a[x] * real_b[x] + imag_a[x] * imag_b[x]
            sinc = (math.sin(u) / u if u != 0 else 1.0) * (math.sin(v) / v if v != 0 else 1.0)
            total[x] += f32(2 * cross * sinc)


@_inlined
def _sinc_near(x2):
    """sin(x)/x from x², |x| <= 1; the series to x⁸ errs by less than 3e-8."""
    t = f32(1 / 362880) * x2 + f32(-1 / 5040)
    t = t * x2 + f32(1 / 120)
    t = t * x2 + f32(-1 / 6)
    return t * x2 + f32(1)


@_inlined
def _sinc_series(x2):
    """sin(x)/x from x², |x| <= π; the series to x¹⁶ errs by less than 3e-7, without a branch, so loops vectorise."""
    t = f32(1 / 355687428096000) * x2 + f32(-1 / 1307674368000)
    t = t * x2 + f32(1 / 6227020800)
    t = t * x2 + f32(-1 / 39916800)
    t = t * x2 + f32(1 / 362880)
    t = t * x2 + f32(-1 / 5040)
    t = t * x2 + f32(1 / 120)
    t = t * x2 + f32(-1 / 6)
    return t * x2 + f32(1)


@_compiled
def _refine_x(coarse, n_coarse, amplitude, first, weights, line, columns):
    """coarse (x, y) -> columns (y, n_pixels): interpolated along x, turned so that image rows lie in one piece."""
    rows = coarse[: n_coarse * n_coarse].reshape(n_coarse, n_coarse)
    for x in range(first.shape[0]):
        _weighted(rows, first[x], weights[x], line[:n_coarse])
        for y in range(n_coarse):
            columns[y, x] = line[y] * amplitude


@_compiled
def _particle(
    field, n, spacing, rotation, amplitude, k, centre, pixel, places, first, weights, n_coarse, q, corner, t, coarse,
    line, columns,
):  # fmt: skip
    """One particle's field, refined along x: columns (2, y, n_pixels) of its real and imaginary part.

    q (3, points), corner (points,), t (4, points), coarse (2, points) and line (n_coarse,) are room to work in.
    """
    points = n_coarse * n_coarse
    _scattering_vectors(places[0, :points], places[1, :points], centre, pixel, k / spacing, q[0], q[1], q[2])
    _find_nodes(n, rotation, q[0, :points], q[1, :points], q[2, :points], corner, t)
    _sum_nodes(field, n, corner, t, coarse[0, :points], coarse[1, :points])
    for part in range(2):
        _refine_x(coarse[part], n_coarse, amplitude, first, weights, line, columns[part])


@_compiled
def _scattering_vectors(x, y, centre, pixel, k, qx, qy, qz):
    """q = k (n − ẑ) of points of the detector [pixels from its middle]."""
    for p in range(x.shape[0]):
        px, py = (x[p] - centre[0]) * pixel, (y[p] - centre[1]) * pixel
        inverse = f32(1) / np.sqrt(px * px + py * py + f32(1))
        qx[p], qy[p], qz[p] = k * px * inverse, k * py * inverse, k * (inverse - f32(1))


@_compiled
def _sum_rows(columns, rows, first, weights, species, positions, k, centre, pixel, live, image):
    """The image of one shot, row by row, from its particles' fields refined along x.

    `rows` (particles, 4, n_pixels) is room for a row of each: field, real and imaginary, and half the change of
    its phase across a pixel along x and along y.
    """
    particles, n_pixels = species.shape[0], image.shape[0]
    edge, half_step = f32(0.5 * (n_pixels - 1)), f32(0.5) * k * pixel
    directions = np.empty((4, n_pixels), dtype=f32)  # n of each pixel, and n·d of one particle
    nx, ny, nz, along = directions[0], directions[1], directions[2], directions[3]
    farthest = f32(0)
    for a in range(particles):
        for b in range(a):
            d = positions[a] - positions[b]
            farthest = max(farthest, half_step * math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]))
    for row in range(n_pixels):
        y = (f32(row) - edge - centre[1]) * pixel
        _directions(y, (-edge - centre[0]) * pixel, pixel, ny, nx, nz)
        total = image[row]
        total[:] = 0
        for a in range(particles):
            s = species[a]
            real, imag, u, v = rows[a, 0], rows[a, 1], rows[a, 2], rows[a, 3]
            _weighted(columns[a, 0], first[s, row], weights[s, row], real)
            _weighted(columns[a, 1], first[s, row], weights[s, row], imag)
            _add_power(real, imag, total)
            if particles > 1:
                _phases(nx, ny, nz, positions[a], half_step, along, u, v)
                _turn(k, positions[a, 2], along, real, imag)
                for b in range(a):
                    _add_interference(farthest, u, v, rows[b, 2], rows[b, 3], real, imag, rows[b, 0], rows[b, 1], total)
        _to_photons(nx, nz, live[row], total)


@_compiled
def _directions(fixed, begin, step, across, along, forward):
    """Unit vectors to a line of points on a plane at distance 1: one coordinate fixed, the other from `begin` on."""
    for i in range(along.shape[0]):
        place = begin + f32(i) * step
        inverse = f32(1) / np.sqrt(place * place + (fixed * fixed + f32(1)))
        across[i] = fixed * inverse
        along[i] = place * inverse
        forward[i] = inverse


@_compiled
def _add_power(real, imag, total):
    """total += |F|²."""
    for x in range(total.shape[0]):
        total[x] += real[x] * real[x] + imag[x] * imag[x]


@_compiled
def _phases(nx, ny, nz, d, half_step, along, u, v):
    """n·d, and half the change of k n·d across a pixel along x and y: ∂n/∂x = n_z (x̂ − n_x n) for a plane detector."""
    dx, dy, dz = d[0], d[1], d[2]
    for x in range(nx.shape[0]):
        along[x] = nx[x] * dx + ny[x] * dy + nz[x] * dz
        u[x] = half_step * nz[x] * (dx - nx[x] * along[x])
        v[x] = half_step * nz[x] * (dy - ny[x] * along[x])


@_compiled
def _to_photons(nx, nz, live, total):
    """Times the pixel's solid angle, n_z³ of that on the axis, its polarisation factor and its live share."""
    for x in range(total.shape[0]):
        corrected = total[x] * nz[x] * nz[x] * nz[x] * (f32(1) - nx[x] * nx[x]) * live[x]
        total[x] = max(corrected, f32(0))  # the average over the pixel is an approximation, and may fall below zero


@njit(fastmath=True, error_model="numpy", parallel=True, cache=True)
def _render(
    threads, order, fields, offsets, sizes, spacings, places, first, weights, coarse_sizes, start, species, rotations,
    positions, amplitudes, wavenumbers, centres, pixel, live, out,
):  # fmt: skip
    n_pixels, n_coarse = out.shape[1], coarse_sizes.max()
    most = (start[1:] - start[:-1]).max()
    for thread in prange(threads):
        # Room to work in, once per thread: fresh pages for every shot would cost as much as the shot.
        q = np.empty((3, n_coarse * n_coarse), dtype=f32)
        corner = np.empty(n_coarse * n_coarse, dtype=np.int32)
        t = np.empty((4, n_coarse * n_coarse), dtype=f32)
        coarse = np.empty((2, n_coarse * n_coarse), dtype=f32)
        line = np.empty(n_coarse, dtype=f32)
        columns = np.empty((most, 2, n_coarse, n_pixels), dtype=f32)
        rows = np.empty((most, 4, n_pixels), dtype=f32)
        for job in range(thread, order.shape[0], threads):
            shot = order[job]
            begin, end = start[shot], start[shot + 1]
            for a in range(begin, end):
                s = species[a]
                _particle(
                    fields[offsets[s] : offsets[s + 1]], sizes[s], spacings[s], rotations[a], amplitudes[a],
                    wavenumbers[shot], centres[shot], pixel, places[s], first[s], weights[s], coarse_sizes[s], q,
                    corner, t, coarse, line[: coarse_sizes[s]], columns[a - begin],
                )  # fmt: skip
            _sum_rows(
                columns, rows, first, weights, species[begin:end], positions[begin:end], wavenumbers[shot],
                centres[shot], pixel, live, out[shot],
            )  # fmt: skip


def render(
    volumes: VolumeStack,
    refinements: Refinement,
    shots: Shots,
    wavenumbers: FloatArray,
    amplitudes: FloatArray,
    pixel: float,
    live: FloatArray,
) -> FloatArray:
    """See `patterns.expected_photons`.

    Parameters
    ----------
    wavenumbers : (n,) 2π/λ of each shot [Å⁻¹].
    amplitudes :  (p,) photons^½ per electron of each particle, for a pixel on the axis.
    pixel :       its edge over the detector's distance.
    live :        (ny, nx).
    """
    out = np.empty((len(shots), *live.shape), dtype=np.float32)
    # Shots of one structure after each other: its volume stays in the cache.
    leading = np.append(shots.species, 0)[shots.start[:-1]]
    threads = numba.get_num_threads()
    _render(
        threads,
        np.argsort(leading, kind="stable"),
        volumes.fields.view(np.float32),
        2 * volumes.offsets,
        volumes.sizes,
        volumes.spacings.astype(np.float32),
        coarse_places(refinements),
        refinements.first,
        refinements.weights,
        refinements.n_coarse,
        shots.start,
        shots.species,
        rotation_matrices(shots.orientations).astype(np.float32),
        shots.positions.astype(np.float32),
        amplitudes,
        wavenumbers,
        shots.beam_centre.astype(np.float32),
        np.float32(pixel),
        live,
        out,
    )
    return out


def slice_points(volume: Volume, points: NDArray[np.float64]) -> NDArray[np.complex64]:
    """F at points (n, 3) [Å⁻¹], complex64 (n,)."""
    n = len(points)
    q = np.ascontiguousarray((points / volume.spacing).T, dtype=np.float32)
    corner, t, parts = np.empty(n, np.int32), np.empty((4, n), np.float32), np.empty((2, n), np.float32)
    _find_nodes(volume.n, np.eye(3, dtype=np.float32), *q, corner, t)
    _sum_nodes(stack([volume]).fields.view(np.float32), volume.n, corner, t, *parts)
    return parts[0] + 1j * parts[1]
