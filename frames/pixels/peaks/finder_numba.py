"""The compiled loops of the peak finder; what each step is for stands in finder.py."""

import math

import numpy as np
from numba import njit

_compiled = njit(error_model="numpy", cache=True)
_fast = njit(error_model="numpy", cache=True, fastmath={"nsz", "contract", "arcp", "reassoc"})

STEP = 5
"""Pixels to those that a candidate is first compared with."""

MEAN_ABSOLUTE = 1.2533141373155001
"""Deviation of a Gaussian over its mean absolute value, √(π/2)."""

CLIP = 3.0
"""Deviations beyond which a pixel of the ring is none of the background."""

ROUNDS = 4

CLIPPED = 0.9867
"""Deviation of a Gaussian cut off at CLIP deviations over that of the whole."""

STANDS_OUT = 2.0
"""Deviations by which a pixel of a peak itself is above the plane."""

HOT = 0.02
"""Of a peak's brightest pixel, what one of its eight neighbours must have; else it is stuck, however high."""

SHARPNESS = (5 / 12) ** 2
"""Third over second moment of the smoothing's weights: what of a photon's reading a smoothed pixel goes up in."""

LINE = 0.4
"""Of a candidate's height, what both opposite places of a line have."""


@_fast
def smooth(image, weight, out):
    """(1, 2, 1)²/16 of an image (ny, nx) float32 times `weight`, into out; 0 beyond the edges."""
    ny, nx = image.shape
    quarter, half = np.float32(0.25), np.float32(0.5)
    line = np.empty(nx, np.float32)
    for y in range(ny):
        up, down = max(y - 1, 0), min(y + 1, ny - 1)
        a = quarter if y > 0 else np.float32(0)
        b = quarter if y < ny - 1 else np.float32(0)
        for x in range(nx):
            line[x] = a * image[up, x] + half * image[y, x] + b * image[down, x]
        for x in range(1, nx - 1):
            out[y, x] = (quarter * (line[x - 1] + line[x + 1]) + half * line[x]) * weight[y, x]
        out[y, 0] = (half * line[0] + quarter * line[1]) * weight[y, 0]
        out[y, nx - 1] = (half * line[nx - 1] + quarter * line[nx - 2]) * weight[y, nx - 1]


@_fast
def tiles(image, smoothed, weight, tile):
    """Deviations of smoothed pixels and of pixels in every tile, from what they stand out of those STEP pixels away.

    Returns
    -------
    (rows, columns) each; 0 where a tile has fewer than 64 good pixels.
    """
    ny, nx = image.shape
    rows, columns = -(-ny // tile), -(-nx // tile)
    of_smooth, of_pixel = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    quarter = np.float32(0.25)
    for row in range(rows):
        for column in range(columns):
            total_s, total_p, n = np.float32(0), np.float32(0), np.float32(0)
            x_first, x_last = max(column * tile, STEP), min((column + 1) * tile, nx - STEP)
            # A third of the rows says as much of noise that is correlated over three.
            for y in range(max(row * tile, STEP), min((row + 1) * tile, ny - STEP), 3):
                for x in range(x_first, x_last):
                    w = weight[y, x] * weight[y - STEP, x] * weight[y + STEP, x] * weight[y, x - STEP]
                    good = np.float32(w * weight[y, x + STEP] > 0)
                    around = (
                        smoothed[y - STEP, x] + smoothed[y + STEP, x] + smoothed[y, x - STEP] + smoothed[y, x + STEP]
                    )
                    total_s += abs(smoothed[y, x] - quarter * around) * good
                    around = image[y - STEP, x] + image[y + STEP, x] + image[y, x - STEP] + image[y, x + STEP]
                    total_p += abs(image[y, x] - quarter * around) * good
                    n += good
            if n >= 24:
                # Four others of a quarter each add a quarter to the variance.
                of_smooth[row, column] = total_s / n * MEAN_ABSOLUTE / math.sqrt(1.25)
                of_pixel[row, column] = total_p / n * MEAN_ABSOLUTE / math.sqrt(1.25)
    return of_smooth, of_pixel


@_compiled
def candidates(smoothed, weight, noise, deviations, tile):
    """Rows and columns of the highest smoothed pixels of their 3 x 3 that stand out by so many of their tile's
    deviations."""
    ny, nx = smoothed.shape
    size = 4096
    rows, columns = np.empty(size, np.int64), np.empty(size, np.int64)
    n = 0
    stands = np.empty(nx, np.uint8)
    limit = np.empty(nx, np.float32)
    for y in range(1, ny - 1):
        up, down = max(y - STEP, 0), min(y + STEP, ny - 1)
        if y % tile == 0 or y == 1:
            for x in range(nx):
                limit[x] = deviations * noise[y // tile, x // tile]
        _standing(smoothed[y], smoothed[y - 1], smoothed[y + 1], limit, stands)
        for x in range(1, nx - 1):
            if not stands[x]:
                continue
            value = smoothed[y, x]
            if (
                smoothed[y - 1, x - 1] >= value
                or smoothed[y - 1, x + 1] > value
                or smoothed[y + 1, x - 1] >= value
                or smoothed[y + 1, x + 1] > value
                or weight[y, x] == 0
            ):
                continue
            total, count = 0.0, 0
            for dy, dx in ((up, 0), (down, 0), (y, -STEP), (y, STEP)):
                px = min(max(x + dx, 0), nx - 1)
                if weight[dy, px] > 0:
                    total += smoothed[dy, px]
                    count += 1
            if count == 0 or value - total / count <= limit[x]:
                continue
            if n == len(rows):
                rows, columns = np.concatenate((rows, rows)), np.concatenate((columns, columns))
            rows[n], columns[n] = y, x
            n += 1
    return rows[:n], columns[:n]


@_fast
def _standing(here, above, below, limit, out):
    """Where a pixel is above its four neighbours and has a noise to be held against; a vectorised loop."""
    for x in range(1, len(here) - 1):
        v = here[x]
        out[x] = (v > above[x]) & (v >= below[x]) & (v > here[x - 1]) & (v >= here[x + 1]) & (limit[x] > 0)


@_compiled
def measure(image, smoothed, good, rows, columns, ratio, ring, min_snr, min_pixels, photon):
    """Candidates held against the plane through a ring of pixels round them.

    Parameters
    ----------
    ratio : deviation of smoothed pixels over that of pixels.
    ring :  (n, 2) steps to the ring's pixels.
    photon : what one photon reads; 0 where it is not known, or of no account.

    Returns
    -------
    (m, 5): x, y, intensity, signal-to-noise ratio, pixels of those that are peaks.
    """
    ny, nx = image.shape
    out = np.empty((len(rows), 5))
    found = 0
    px, py, pv = np.empty(len(ring)), np.empty(len(ring)), np.empty(len(ring))
    for i in range(len(rows)):
        row, column = rows[i], columns[i]
        n = 0
        for j in range(len(ring)):
            y, x = row + ring[j, 0], column + ring[j, 1]
            if 0 <= y < ny and 0 <= x < nx and good[y, x]:
                px[n], py[n], pv[n] = ring[j, 1], ring[j, 0], image[y, x]
                n += 1
        if n < 20:
            continue
        level, slope_x, slope_y, noise = _plane(px[:n], py[:n], pv[:n])
        height = smoothed[row, column] - level
        if not noise > 0:
            noise = 1e-6 * max(abs(level), 1.0)  # a noiseless frame: whatever stands out is a peak
        snr = _deviations(height, ratio * noise, SHARPNESS * photon)
        if snr < min_snr or _is_line(smoothed, row, column, level, slope_x, slope_y, height):
            continue
        limit = _standing_out(noise, photon)
        total, moment_x, moment_y, above, near = 0.0, 0.0, 0.0, 0, 0
        first = second = 0.0
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                y, x = row + dy, column + dx
                if 0 <= y < ny and 0 <= x < nx and good[y, x]:
                    value = image[y, x] - level - slope_x * dx - slope_y * dy
                    is_near = abs(dx) <= 1 and abs(dy) <= 1
                    if value > limit:
                        above += 1
                        near += is_near
                    if is_near and value > first:
                        first, second = value, first
                    elif is_near and value > second:
                        second = value
                    if is_near or value > limit:
                        total += value
                        moment_x += max(value, 0.0) * dx
                        moment_y += max(value, 0.0) * dy
        if near < min_pixels or total <= 0 or (min_pixels > 1 and second < HOT * first):
            continue
        out[found, 0] = column + max(min(moment_x / total, 1.5), -1.5)
        out[found, 1] = row + max(min(moment_y / total, 1.5), -1.5)
        out[found, 2], out[found, 3], out[found, 4] = total, snr, above
        found += 1
    return out[:found]


@_compiled
def _deviations(height, noise, step):
    """Deviations of a Gaussian that are as rare as a height above a background of this noise.

    Where readings go up in steps of this size, they are counts of mean k = (noise/step)^2, and 2 √(counts + 3/8) is
    nearly normal with a deviation of 1 (Anscombe, Biometrika 35, 246, 1948). A step of 0 is no step.
    """
    if step <= 0.0:
        return height / noise
    k = (noise / step) ** 2
    return 2.0 * (math.sqrt(max(k + height / step, 0.0) + 0.375) - math.sqrt(k + 0.375))


@_compiled
def _standing_out(noise, step):
    """The height whose `_deviations` are STANDS_OUT."""
    if step <= 0.0:
        return STANDS_OUT * noise
    return step * (STANDS_OUT**2 / 4 + STANDS_OUT * math.sqrt((noise / step) ** 2 + 0.375))


@_compiled
def _plane(x, y, v):
    """Level at (0, 0), slopes and deviation of a plane through places, outliers left out."""
    n = len(v)
    level = np.median(v)
    noise = MEAN_ABSOLUTE * np.abs(v - level).mean() + 1e-9
    slope_x = slope_y = 0.0
    limit = 4.0
    for _ in range(ROUNDS):
        s0 = sx = sy = sxx = sxy = syy = sv = sxv = syv = svv = 0.0
        for i in range(n):
            away = v[i] - level - slope_x * x[i] - slope_y * y[i]
            if abs(away) <= limit * noise:
                s0 += 1
                sx += x[i]
                sy += y[i]
                sxx += x[i] * x[i]
                sxy += x[i] * y[i]
                syy += y[i] * y[i]
                sv += away
                sxv += x[i] * away
                syv += y[i] * away
                svv += away * away
        if s0 < 12:
            break
        # Three equations for what is to be added to level and slopes, by Cramer's rule.
        det = s0 * (sxx * syy - sxy * sxy) - sx * (sx * syy - sxy * sy) + sy * (sx * sxy - sxx * sy)
        if det <= 1e-9 * s0 * sxx * syy:
            break
        a = (sv * (sxx * syy - sxy * sxy) - sx * (sxv * syy - sxy * syv) + sy * (sxv * sxy - sxx * syv)) / det
        b = (s0 * (sxv * syy - sxy * syv) - sv * (sx * syy - sxy * sy) + sy * (sx * syv - sxv * sy)) / det
        c = (s0 * (sxx * syv - sxv * sxy) - sx * (sx * syv - sxv * sy) + sv * (sx * sxy - sxx * sy)) / det
        left = svv - a * sv - b * sxv - c * syv
        level, slope_x, slope_y = level + a, slope_x + b, slope_y + c
        noise = math.sqrt(max(left, 0.0) / (s0 - 3)) / (CLIPPED if limit == CLIP else 1.0)
        limit = CLIP
    return level, slope_x, slope_y, noise


@_compiled
def _is_line(smoothed, row, column, level, slope_x, slope_y, height):
    """Whether two opposite places, 3 or 4 pixels away, are nearly as high as what lies between them."""
    ny, nx = smoothed.shape
    for dy, dx in ((0, 3), (1, 3), (2, 3), (3, 3), (3, 2), (3, 1), (3, 0), (3, -1), (3, -2), (3, -3), (2, -3), (1, -3)):
        if not (3 <= row < ny - 3 and 3 <= column < nx - 3):
            return False
        slope = slope_x * dx + slope_y * dy
        one = smoothed[row + dy, column + dx] - level - slope
        other = smoothed[row - dy, column - dx] - level + slope
        if min(one, other) > LINE * height:
            return True
    return False


@_compiled
def apart(x, y, distance):
    """(n,) whether each place has none before it nearer than `distance`."""
    n = len(x)
    keep = np.ones(n, np.bool_)
    order = np.argsort(x)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    for i in range(n):
        for step in (-1, 1):
            j = rank[i] + step
            while 0 <= j < n and abs(x[order[j]] - x[i]) < distance:
                other = order[j]
                if other < i and keep[other] and (x[other] - x[i]) ** 2 + (y[other] - y[i]) ** 2 < distance**2:
                    keep[i] = False
                j += step
    return keep
