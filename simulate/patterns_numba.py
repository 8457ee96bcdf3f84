"""Patterns on the CPU: compiled loops, one pattern per thread."""

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from simulate.volume import SPLINE_MARGIN

FloatArray = NDArray[np.float32]

_compiled = njit(fastmath=True, error_model="numpy", cache=True)


@_compiled
def _slice(field, n, rotation, q, real, imag):
    """F at rotationᵀ·q by quadratic B-splines. `field` is flat, real and imaginary parts interleaved; q in voxels."""
    half = np.float32(n // 2)
    for pixel in range(q.shape[0]):
        qx, qy, qz = q[pixel, 0], q[pixel, 1], q[pixel, 2]
        x = rotation[0, 0] * qx + rotation[1, 0] * qy + rotation[2, 0] * qz
        y = rotation[0, 1] * qx + rotation[1, 1] * qy + rotation[2, 1] * qz
        z = rotation[0, 2] * qx + rotation[1, 2] * qy + rotation[2, 2] * qz
        # The half qx < 0 is not stored: F(−q) = F(q)*.
        sign = np.float32(1.0) if x >= 0 else np.float32(-1.0)
        x = x * sign + np.float32(SPLINE_MARGIN)
        y = y * sign + half
        z = z * sign + half
        ix, iy, iz = np.uint64(x + np.float32(0.5)), np.uint64(y + np.float32(0.5)), np.uint64(z + np.float32(0.5))
        dx, dy, dz = x - np.float32(ix), y - np.float32(iy), z - np.float32(iz)
        wx = _spline(dx)
        wy = _spline(dy)
        wz = _spline(dz)
        sum_real = np.float32(0.0)
        sum_imag = np.float32(0.0)
        corner = ((ix - np.uint64(1)) * np.uint64(n) + (iy - np.uint64(1))) * np.uint64(n) + (iz - np.uint64(1))
        for a in range(3):
            for b in range(3):
                k = np.uint64(2) * (corner + (np.uint64(a) * np.uint64(n) + np.uint64(b)) * np.uint64(n))
                w = wx[a] * wy[b]
                sum_real += w * (wz[0] * field[k] + wz[1] * field[k + np.uint64(2)] + wz[2] * field[k + np.uint64(4)])
                sum_imag += w * (
                    wz[0] * field[k + np.uint64(1)] + wz[1] * field[k + np.uint64(3)] + wz[2] * field[k + np.uint64(5)]
                )
        real[pixel] = sum_real
        imag[pixel] = sum_imag * sign


@njit(fastmath=True, error_model="numpy", inline="always")
def _spline(t):
    """Weights of the quadratic B-spline at the nodes −1, 0, 1, for |t| <= 1/2."""
    return (
        np.float32(0.5) * (np.float32(0.5) - t) * (np.float32(0.5) - t),
        np.float32(0.75) - t * t,
        np.float32(0.5) * (np.float32(0.5) + t) * (np.float32(0.5) + t),
    )


@_compiled
def _shift(position, q, real, imag):
    """Multiply the field by exp(i q·position); q in Å⁻¹."""
    to_turns = np.float32(1 / (2 * math.pi))
    px, py, pz = position[0] * to_turns, position[1] * to_turns, position[2] * to_turns
    for pixel in range(q.shape[0]):
        turns = q[pixel, 0] * px + q[pixel, 1] * py + q[pixel, 2] * pz
        turns -= np.floor(turns + np.float32(0.5))
        # Series of sin and cos at half the angle, |x| <= π/2 (error below 6e-8), then doubled: no branches, so the
        # loop is vectorised, which calls of the library's sin and cos would prevent.
        x = turns * np.float32(math.pi)
        x2 = x * x
        s = x * (
            1 + x2 * (-1 / 6 + x2 * (1 / 120 + x2 * (-1 / 5040 + x2 * (1 / 362880 - x2 * np.float32(1 / 39916800)))))
        )
        c = 1 + x2 * (
            -1 / 2
            + x2 * (1 / 24 + x2 * (-1 / 720 + x2 * (1 / 40320 + x2 * (-1 / 3628800 + x2 * np.float32(1 / 479001600)))))
        )
        sine, cosine = np.float32(2 * s * c), np.float32(1 - 2 * s * s)
        r, i = real[pixel], imag[pixel]
        real[pixel] = r * cosine - i * sine
        imag[pixel] = r * sine + i * cosine


@_compiled
def _add_power(real, imag, total):
    """total += |F|²."""
    for pixel in range(total.shape[0]):
        total[pixel] += real[pixel] * real[pixel] + imag[pixel] * imag[pixel]


@_compiled
def _add_interference(separation, step_x, step_y, farthest, real_a, imag_a, real_b, imag_b, total):
    """total += 2 Re(F_a F_b*), averaged over the pixel's box: times sinc(½Δq_x·d) sinc(½Δq_y·d)."""
    dx, dy, dz = np.float32(0.5) * separation[0], np.float32(0.5) * separation[1], np.float32(0.5) * separation[2]
    if farthest < math.pi:
        for pixel in range(total.shape[0]):
            u = step_x[pixel, 0] * dx + step_x[pixel, 1] * dy + step_x[pixel, 2] * dz
            v = step_y[pixel, 0] * dx + step_y[pixel, 1] * dy + step_y[pixel, 2] * dz
            cross = real_a[pixel] * real_b[pixel] + imag_a[pixel] * imag_b[pixel]
            total[pixel] += np.float32(2) * cross * _sinc_series(u * u) * _sinc_series(v * v)
    else:
        for pixel in range(total.shape[0]):
            u = step_x[pixel, 0] * dx + step_x[pixel, 1] * dy + step_x[pixel, 2] * dz
            v = step_y[pixel, 0] * dx + step_y[pixel, 1] * dy + step_y[pixel, 2] * dz
            cross = real_a[pixel] * real_b[pixel] + imag_a[pixel] * imag_b[pixel]
            sinc = (math.sin(u) / u if u != 0 else 1.0) * (math.sin(v) / v if v != 0 else 1.0)
            total[pixel] += np.float32(2 * cross * sinc)


@njit(fastmath=True, error_model="numpy", inline="always")
def _sinc_series(x2):
    """sin(x)/x from x², |x| <= π; the series to x¹⁶ errs by less than 3e-7, without a branch, so loops vectorise."""
    t = np.float32(1 / 355687428096000)
    for coefficient in (
        -1 / 1307674368000,
        1 / 6227020800,
        -1 / 39916800,
        1 / 362880,
        -1 / 5040,
        1 / 120,
        -1 / 6,
        1.0,
    ):
        t = t * x2 + np.float32(coefficient)
    return t


@njit(fastmath=True, error_model="numpy", parallel=True, cache=True)
def _render(field, n, rotations, positions, q_voxels, q, step_x, step_y, reach, scale, fluence, out):
    particles = rotations.shape[1]
    for shot in prange(rotations.shape[0]):
        real = np.empty((particles, q.shape[0]), dtype=np.float32)
        imag = np.empty((particles, q.shape[0]), dtype=np.float32)
        total = out[shot]
        total[:] = 0
        for a in range(particles):
            _slice(field, n, rotations[shot, a], q_voxels, real[a], imag[a])
            if particles > 1:
                _shift(positions[shot, a], q, real[a], imag[a])
            _add_power(real[a], imag[a], total)
            for b in range(a):
                d = positions[shot, a] - positions[shot, b]
                farthest = 0.5 * reach * math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
                _add_interference(d, step_x, step_y, farthest, real[a], imag[a], real[b], imag[b], total)
        for pixel in range(total.shape[0]):
            # The pixel average of the interference is an approximation and may fall a rounding below zero.
            total[pixel] = max(total[pixel] * scale[pixel] * fluence[shot], np.float32(0))


def render(
    field: NDArray[np.complex64],
    spacing: float,
    rotations: FloatArray,
    positions: FloatArray,
    q: FloatArray,
    q_step_x: FloatArray,
    q_step_y: FloatArray,
    photons_per_electron2: FloatArray,
    fluence: FloatArray,
) -> FloatArray:
    """See `patterns.expected_photons`; pixels are flat here, (n_pixels, 3) and (n_pixels,)."""
    out = np.empty((len(rotations), len(q)), dtype=np.float32)
    reach = max(float(np.linalg.norm(step, axis=1).max()) for step in (q_step_x, q_step_y))
    _render(
        field.view(np.float32).ravel(),
        field.shape[1],
        rotations,
        positions,
        (q / np.float32(spacing)),
        q,
        q_step_x,
        q_step_y,
        reach,
        photons_per_electron2,
        fluence,
        out,
    )
    return out
