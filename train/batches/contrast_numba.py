"""Local contrast in compiled loops: each row of a frame is normalised while it is in the cache, and then forgotten.

Sums of whole ADUs are exact: those of pixels fit in the 24 bits of float32 (81 x 65,535 < 2²⁴), those of squares, as
float64. So sums that run down the frame do not drift.
"""

import math

import numpy as np
from numba import njit

f32, f64 = np.float32, np.float64


@njit(error_model="numpy", fastmath={"reassoc", "contract", "nsz"}, cache=True)
def statistics(image, live, top, left, n):
    """Number, mean and deviation of the live pixels of a square of n pixels; below 0 counts as 0. live: or empty."""
    number, total, squares = 0, 0.0, 0.0
    masked = live.shape[0] > 0
    for i in range(top, top + n):
        row = f32(0)
        square = 0.0
        if masked:
            for j in range(left, left + n):
                if live[i, j]:
                    x = max(f32(image[i, j]), f32(0))
                    number += 1
                    row += x
                    square += f64(x) * f64(x)
        else:
            number += n
            for j in range(left, left + n):
                x = max(f32(image[i, j]), f32(0))
                row += x
                square += f64(x) * f64(x)
        total += f64(row)
        squares += square
    mean = total / max(number, 1)
    return number, mean, math.sqrt(max(squares / max(number, 1) - mean * mean, 0.0))


@njit(error_model="numpy", cache=True)
def _load(image, live, i, left, row, alive):
    """A row of pixels, 0 where masked or negative, and whether each is live, as numbers."""
    for j in range(row.shape[0]):
        row[j] = max(f32(image[i, left + j]), f32(0))
    if live.shape[0] > 0:
        for j in range(row.shape[0]):
            alive[j] = f32(live[i, left + j])
            row[j] *= alive[j]


@njit(error_model="numpy", cache=True)
def _load_signed(image, live, i, left, row, alive):
    for j in range(row.shape[0]):
        row[j] = image[i, left + j]
    if live.shape[0] > 0:
        for j in range(row.shape[0]):
            alive[j] = f32(live[i, left + j])
            row[j] *= alive[j]


@njit(error_model="numpy", cache=True)
def _across(columns, window, power, out):
    """Sums of `window` neighbours, by doubling: as many additions as the window has binary digits."""
    n = out.shape[0]
    if window == 5:
        for j in range(n):
            out[j] = columns[j] + columns[j + 1] + columns[j + 2] + columns[j + 3] + columns[j + 4]
        return
    for j in range(columns.shape[0]):
        power[j] = columns[j]
    for j in range(n):
        out[j] = 0
    length, offset = 1, 0
    while window:
        if window & 1:
            for j in range(n):
                out[j] += power[offset + j]
            offset += length
        window >>= 1
        if window:
            for j in range(columns.shape[0] - 2 * length + 1):
                power[j] += power[j + length]
        length *= 2


@njit(error_model="numpy", fastmath={"nnan", "ninf", "nsz"}, cache=True)
def _extremes(values, low, high):
    least, most = f32(np.inf), f32(-np.inf)
    for j in range(values.shape[0]):
        least = min(least, values[j])
        most = max(most, values[j])
        low[j] = min(low[j], values[j])
        high[j] = max(high[j], values[j])
    return most - least


@njit(error_model="numpy", cache=True)
def _live_extremes(values, alive, low, high):
    least, most = f32(np.inf), f32(-np.inf)
    for j in range(values.shape[0]):
        if alive[j] > 0:
            least = min(least, values[j])
            most = max(most, values[j])
            low[j] = min(low[j], values[j])
            high[j] = max(high[j], values[j])
    return most - least if most >= least else f32(0)


@njit(error_model="numpy", cache=True)
def local_pass(image, live, signed, corner, window, how, scale, floor, out, rows, low, high):
    """Normalise a square of n pixels by the window around each; `how`: subtract the mean, divide by the deviation.

    Parameters
    ----------
    image : (ny, nx); live (ny, nx) bool or empty; signed: whether values below 0 are kept.
    corner : of the square, (row, column), from where the windows of its first pixel begin.
    scale, floor : what values are multiplied by where nothing divides them; least deviation.
    out :   (n, n) float32, or (0, n) where the image is not wanted.
    rows :  (n,) largest less least of every row; low, high (n,) of every column, which come as ±infinity.
    """
    subtract, divide = how
    top, left = corner
    n = rows.shape[0]
    wide, half = n + window - 1, window // 2
    masked, keep = live.shape[0] > 0, out.shape[0] > 0
    ring, alive = np.zeros((window, wide), f32), np.ones((window, wide), f32)
    columns, counts = np.zeros(wide, f32), np.zeros(wide, f32)
    squares = np.zeros(wide, f64)
    total, number = np.empty(n, f32), np.empty(n, f32)
    power, spread, power64 = np.empty(wide, f32), np.empty(n, f64), np.empty(wide, f64)
    values = np.empty(n, f32)
    inverse, least = np.full(n, 1.0 / (window * window)), f64(floor) * f64(floor)
    for step in range(n + window - 1):
        place = step % window
        row, lives = ring[place], alive[place]
        if step >= window:
            for j in range(wide):
                columns[j] -= row[j]
            if divide:
                for j in range(wide):
                    squares[j] -= f64(row[j]) * f64(row[j])
            if masked:
                for j in range(wide):
                    counts[j] -= lives[j]
        if signed:
            _load_signed(image, live, top + step, left, row, lives)
        else:
            _load(image, live, top + step, left, row, lives)
        for j in range(wide):
            columns[j] += row[j]
        if divide:
            for j in range(wide):
                squares[j] += f64(row[j]) * f64(row[j])
        if masked:
            for j in range(wide):
                counts[j] += lives[j]
        if step < window - 1:
            continue
        i = step - window + 1
        middle, lives = ring[(i + half) % window], alive[(i + half) % window]
        if subtract or divide:
            _across(columns, window, power, total)
            if masked:
                _across(counts, window, power, number)
                for j in range(n):
                    inverse[j] = 1.0 / f64(max(number[j], f32(1)))
        if subtract:
            for j in range(n):
                values[j] = f32(f64(middle[j + half]) - f64(total[j]) * inverse[j])
        else:
            for j in range(n):
                values[j] = middle[j + half]
        if divide:
            _across(squares, window, power64, spread)
            for j in range(n):
                mean = f64(total[j]) * inverse[j]
                variance = spread[j] * inverse[j] - mean * mean
                values[j] = f32(f64(values[j]) / math.sqrt(max(variance, 0.0) + least))
        else:
            for j in range(n):
                values[j] *= f32(scale)
        if masked:
            for j in range(n):
                values[j] *= lives[j + half]
            rows[i] = _live_extremes(values, lives[half : half + n], low, high)
        else:
            rows[i] = _extremes(values, low, high)
        if keep:
            out[i] = values
