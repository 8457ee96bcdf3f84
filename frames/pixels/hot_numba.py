"""The compiled loop of `frames.pixels.hot`; what it asks of a pixel, and why, stands there."""

import numpy as np
from numba import njit

REACH = 2
"""Pixels to each side of the window."""

OTHERS = (2 * REACH + 1) ** 2 - 1


@njit(error_model="numpy", cache=True)
def count_standing_out(image, live, together, least, deviations, counts, heights, beside):
    """Add 1 to `counts` (ny, nx) where a pixel of the image (ny, nx) float32 stands out of its window.

    Its height above the window's median is added to `heights`, that of the second lowest of its four neighbours to
    `beside`.

    Parameters
    ----------
    live :       (ny, nx) pixels that are looked at; no other is in any window.
    together :   pixels that may stand out side by side: it is held to the highest of the others but these, or fewer
                   where a window is cut, in proportion: else lines end where they meet the edge of a detector.
    least :      live others that a window must have.
    deviations : that it has to be above.
    """
    ny, nx = image.shape
    others, away, four = np.empty(OTHERS, np.float32), np.empty(OTHERS, np.float32), np.empty(4, np.float32)
    for i in range(ny):
        for j in range(nx):
            if not live[i, j]:
                continue
            x = image[i, j]
            n, higher = 0, 0
            for y in range(max(i - REACH, 0), min(i + REACH + 1, ny)):
                for k in range(max(j - REACH, 0), min(j + REACH + 1, nx)):
                    if live[y, k] and not (y == i and k == j):
                        others[n] = image[y, k]
                        n += 1
                        higher += image[y, k] >= x
                if higher > together:  # most pixels: nothing is to be sorted
                    break
            beyond = together * n // OTHERS
            if higher > beyond or n < least:
                continue
            some = np.sort(others[:n])
            middle = 0.5 * (some[(n - 1) // 2] + some[n // 2])
            for k in range(n):
                away[k] = abs(some[k] - middle)
            spread = np.sort(away[:n])
            deviation = 1.4826 * 0.5 * (spread[(n - 1) // 2] + spread[n // 2])
            if not x - some[n - 1 - beyond] > deviations * deviation:
                continue
            m = 0
            for step in range(4):
                y, k = i + (step == 0) - (step == 1), j + (step == 2) - (step == 3)
                if 0 <= y < ny and 0 <= k < nx and live[y, k]:
                    four[m] = image[y, k]
                    m += 1
            counts[i, j] += 1
            heights[i, j] += x - middle
            if m >= 3:
                beside[i, j] += np.sort(four[:m])[m - 3] - middle
