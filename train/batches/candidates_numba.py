"""Candidates for Bragg spots in compiled loops: where something sticks out, and what its surroundings are like."""

import math

import numpy as np
from numba import njit

f32, f64 = np.float32, np.float64


@njit(error_model="numpy", fastmath={"reassoc", "contract", "nsz"}, cache=True)
def block_deviations(rest, live, size, out):
    """Deviation of what is left without background in blocks of size x size, of values within 3 deviations of 0.

    For a normal law the mean absolute value is √(2/π) deviations: a first guess that a few spots hardly raise. Cut
    at 3 deviations the second moment is 0.973 of the variance.
    """
    masked = live.shape[0] > 0
    for b in range(out.shape[0]):
        for c in range(out.shape[1]):
            i0, j0 = b * size, c * size
            i1, j1 = min(i0 + size, rest.shape[0]), min(j0 + size, rest.shape[1])
            total, number = f32(0), 0
            for i in range(i0, i1):
                for j in range(j0, j1):
                    total += abs(rest[i, j])
                    if masked:
                        number += live[i, j]
            if not masked:
                number = (i1 - i0) * (j1 - j0)
            cut = f32(3 * 1.2533 * total / max(number, 1))
            squares, outside = f32(0), 0
            for i in range(i0, i1):
                for j in range(j0, j1):
                    x = rest[i, j]
                    is_in = abs(x) <= cut
                    squares += x * x if is_in else f32(0)
                    outside += 0 if is_in else 1
            out[b, c] = math.sqrt(squares / max(number - outside, 1) / 0.973)


@njit(error_model="numpy", cache=True)
def find_maxima(rest, live, deviations, size, threshold, edge, places, heights):
    """Pixels above `threshold` deviations that no neighbour exceeds: places (m, 2), heights (m,); how many there are.

    Of equal neighbours the first counts. What comes after the m-th is counted, and not kept.
    """
    ny, nx = rest.shape
    masked = live.shape[0] > 0
    found = 0
    for i in range(edge, ny - edge):
        for c in range((nx + size - 1) // size):
            limit = f32(threshold) * deviations[i // size, c]
            for j in range(max(edge, c * size), min(nx - edge, (c + 1) * size)):
                x = rest[i, j]
                if x <= limit or (masked and not live[i, j]):
                    continue
                if (
                    x > rest[i - 1, j - 1]
                    and x > rest[i - 1, j]
                    and x > rest[i - 1, j + 1]
                    and x > rest[i, j - 1]
                    and x >= rest[i, j + 1]
                    and x >= rest[i + 1, j - 1]
                    and x >= rest[i + 1, j]
                    and x >= rest[i + 1, j + 1]
                ):
                    if found < places.shape[0]:
                        places[found, 0], places[found, 1] = i, j
                        heights[found] = x / max(deviations[i // size, c], f32(1e-12))
                    found += 1
    return found


@njit(error_model="numpy", cache=True)
def describe(frame, live, row, column, inner, outer, out):
    """What a candidate at (row, column) is like against the ring of pixels between two squares about it.

    out: (0) sum of 3 x 3 above the ring's mean over its error; (1) height of the pixel over the ring's deviation;
    (2) the pixel's share of 3 x 3; (3) the largest of its four neighbours over it; (4) length over width in 7 x 7, as
    the root of the moments' ratio; (5) slope of the ring, largest difference of its halves over their deviation;
    (6) share of the ring's pixels more than 3 deviations above its mean; (7) sum of 3 x 3 over that of 7 x 7.
    False where the ring has too few live pixels.
    """
    masked = live.shape[0] > 0
    number, total, squares = 0, 0.0, 0.0
    halves = np.zeros(4, f64)
    parts = np.zeros(4, f64)
    for di in range(-outer, outer + 1):
        for dj in range(-outer, outer + 1):
            if max(abs(di), abs(dj)) <= inner or (masked and not live[row + di, column + dj]):
                continue
            x = f64(frame[row + di, column + dj])
            number += 1
            total += x
            squares += x * x
            if di != 0:
                halves[0 if di < 0 else 1] += x
                parts[0 if di < 0 else 1] += 1
            if dj != 0:
                halves[2 if dj < 0 else 3] += x
                parts[2 if dj < 0 else 3] += 1
    if number < 24:
        return False
    mean = total / number
    deviation = math.sqrt(max(squares / number - mean * mean, 1e-12 * max(mean * mean, 1.0)))
    above, near, kept = 0, 0.0, 0
    low_squares, low_total = 0.0, 0.0
    for di in range(-outer, outer + 1):
        for dj in range(-outer, outer + 1):
            if max(abs(di), abs(dj)) <= inner or (masked and not live[row + di, column + dj]):
                continue
            x = f64(frame[row + di, column + dj])
            if x > mean + 3 * deviation:
                above += 1
            else:
                kept += 1
                low_total += x
                low_squares += x * x
    mean = low_total / kept  # of the ring without other spots
    deviation = math.sqrt(max(low_squares / kept - mean * mean, 1e-12 * max(mean * mean, 1.0)))
    sum3, sum7 = 0.0, 0.0
    xx, yy, xy, weight = 0.0, 0.0, 0.0, 0.0
    for di in range(-3, 4):
        for dj in range(-3, 4):
            if masked and not live[row + di, column + dj]:
                continue
            x = f64(frame[row + di, column + dj]) - mean
            sum7 += x
            if abs(di) <= 1 and abs(dj) <= 1:
                sum3 += x
            if abs(di) + abs(dj) == 1:
                near = max(near, x)
            if x > 2 * deviation:
                weight += x
                yy += x * di * di
                xx += x * dj * dj
                xy += x * di * dj
    height = f64(frame[row, column]) - mean
    out[0] = sum3 / (3 * deviation * math.sqrt(1 + 9.0 / kept))
    out[1] = height / deviation
    out[2] = min(max(height / max(sum3, 1e-9), -1.0), 2.0)
    out[3] = min(max(near / max(height, 1e-9), -1.0), 2.0)
    yy, xx, xy = yy / max(weight, 1e-9) + 1 / 12, xx / max(weight, 1e-9) + 1 / 12, xy / max(weight, 1e-9)
    root = math.sqrt((xx - yy) ** 2 / 4 + xy * xy)
    out[4] = math.sqrt(((xx + yy) / 2 + root) / max((xx + yy) / 2 - root, 1e-3))
    slope = 0.0
    for a in (0, 2):
        if parts[a] > 0 and parts[a + 1] > 0:
            error = deviation * math.sqrt(1 / parts[a] + 1 / parts[a + 1])
            slope = max(slope, abs(halves[a] / parts[a] - halves[a + 1] / parts[a + 1]) / error)
    out[5] = slope
    out[6] = f64(above) / number
    out[7] = min(max(sum3 / max(sum7, 1e-9), -1.0), 2.0)
    return True


@njit(error_model="numpy", cache=True)
def describe_all(frame, live, places, inner, outer, numbers, possible):
    """`describe` for places (m, 2) into numbers (m, 8), and whether each could be."""
    for n in range(places.shape[0]):
        possible[n] = describe(frame, live, places[n, 0], places[n, 1], inner, outer, numbers[n])
