"""Compiled loops over the pixels of a frame: background, spots, photons, and what the detector reads.

Every pixel's random numbers are those at its own place of the frame's streams, whatever the others are.
"""

import math

import numpy as np
from numba import njit

from simulate.sfx.normals_numba import normals

_compiled = njit(error_model="numpy", cache=True)


@_compiled
def background(radius, factor, profile, tape_at, tape_edge, tape_left, image):
    """Expected photons of everything that depends on the distance from the beam, and the tape's shade.

    Parameters
    ----------
    radius :  (ny, nx) of each pixel, in steps of the profile.
    factor :  (ny, nx) solid angle and polarisation, 1 on the axis; 0 where nothing is recorded.
    profile : (bins,) photons, linear in between.
    tape_at, tape_edge : column of the shade's edge and its width [pixel].
    tape_left : what is left of the light on its left; 1 without a tape.
    image :   (ny, nx) float32, written.
    """
    ny, nx = radius.shape
    shade = np.empty(nx, np.float32)
    for x in range(nx):
        inside = 0.5 - 0.5 * math.tanh((x - tape_at) / tape_edge)
        shade[x] = 1.0 - (1.0 - tape_left) * inside
    last = len(profile) - 2
    for y in range(ny):
        for x in range(nx):
            r = radius[y, x]
            at = min(int(r), last)
            low = profile[at]
            image[y, x] = (low + (profile[at + 1] - low) * (r - np.float32(at))) * factor[y, x] * shade[x]


@_compiled
def add_spots(x, y, photons, covariance, live, image):
    """Add Gaussian spots, each with all its photons: what falls on pixels that record nothing is lost.

    Parameters
    ----------
    x, y :       (n,) [pixel].
    covariance : (n, 3) xx, xy, yy [pixel²].
    live :       (ny, nx) bool.
    image :      (ny, nx) float32, added to.
    """
    ny, nx = image.shape
    for i in range(len(x)):
        xx, xy, yy = covariance[i, 0] + 1e-3, covariance[i, 1], covariance[i, 2] + 1e-3
        half = math.ceil(4 * math.sqrt(max(xx, yy))) + 1
        if half > 60 or not (-half <= x[i] < nx + half and -half <= y[i] < ny + half):
            continue
        determinant = xx * yy - xy * xy
        a, b, c = 0.5 * yy / determinant, -xy / determinant, 0.5 * xx / determinant
        # Fine enough for the narrowest spot: a third of its deviation.
        n = min(max(3, math.ceil(3 / math.sqrt(determinant / max(xx, yy)))), 24)
        x0, y0 = round(x[i]), round(y[i])
        size = 2 * half + 1
        window = np.zeros((size, size))
        for row in range(size):
            for column in range(size):
                for sy in range(n):
                    dy = y0 - half + row + (sy + 0.5) / n - 0.5 - y[i]
                    for sx in range(n):
                        dx = x0 - half + column + (sx + 0.5) / n - 0.5 - x[i]
                        power = a * dx * dx + b * dx * dy + c * dy * dy
                        if power < 20.0:
                            window[row, column] += math.exp(-power)
        total = window.sum()
        for row in range(size):
            py = y0 - half + row
            if 0 <= py < ny:
                for column in range(size):
                    px = x0 - half + column
                    if 0 <= px < nx and live[py, px]:
                        image[py, px] += photons[i] * window[row, column] / total


@_compiled
def read(photons, neighbour, gain, hot, live, noise, pedestal, saturation, state, adu):
    """What the detector reads of photons: shared with neighbours, amplified, with noise, rounded and cut.

    Parameters
    ----------
    photons :   (ny, nx) float32 counts.
    neighbour : share of a pixel's signal that each neighbour along a row has, and then along a column.
    gain :      (ny, nx) ADU a photon.
    hot :       (ny, nx) ADU that a pixel reads whatever falls on it; 0 for most.
    live :      (ny, nx) bool; elsewhere 0 is read.
    noise, pedestal, saturation : [ADU].
    adu :       (ny, nx) uint16, written.
    """
    ny, nx = photons.shape
    own = np.float32(1.0 - 2.0 * neighbour)
    share = np.float32(neighbour)
    # Rows smeared along x: the last three of them.
    rows = np.zeros((3, nx), np.float32)
    _smear(photons[0], own, share, rows[1])
    line, u, z = np.empty(nx, np.float32), np.empty(nx), np.zeros(nx)
    for y in range(ny):
        above, here, below = (y % 3), (y + 1) % 3, (y + 2) % 3
        if y + 1 < ny:
            _smear(photons[y + 1], own, share, rows[below])
        else:
            rows[below, :] = 0
        for x in range(nx):
            line[x] = own * rows[here, x] + share * (rows[above, x] + rows[below, x])
        if noise > 0.0:
            normals(state, y * nx, u, z)
        for x in range(nx):
            value = line[x] * gain[y, x] + hot[y, x] + noise * z[x] + pedestal
            adu[y, x] = np.uint16(min(max(value + 0.5, 0.0), saturation) * live[y, x])


@_compiled
def _smear(row, own, share, out):
    n = len(row)
    for x in range(1, n - 1):
        out[x] = own * row[x] + share * (row[x - 1] + row[x + 1])
    out[0] = own * row[0] + share * row[1]
    out[n - 1] = own * row[n - 1] + share * row[n - 2]
