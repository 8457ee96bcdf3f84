"""Which reflections are near enough to Ewald's sphere: a compiled loop over all of them."""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy", cache=True, fastmath=True)
def excited(hkl, basis, k, size2, angle2, radial2, reach):
    """Reflections whose excitation error is at most `reach` deviations.

    Parameters
    ----------
    hkl :     (n, 3) of one half of reciprocal space; of each, both it and its opposite are tried.
    basis :   (3, 3) columns a*, b*, c* in the lab frame [1/Å], float64.
    k :       1/λ.
    size2, angle2, radial2 : the deviation of the error squared is size2 + angle2 s² (1 - s²/4k²) + radial2 s⁴/4k².
    reach :   in deviations.

    Returns
    -------
    indices into hkl (m,) int64; signs (m,) int8, -1 where it is the opposite.
    """
    found = np.empty(len(hkl) // 4 + 64, np.int64)
    signs = np.empty(len(found), np.int8)
    n = 0
    a, b, c = basis[:, 0], basis[:, 1], basis[:, 2]
    ax, ay, az, bx, by, bz, cx, cy, cz = a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]
    reach2, four_k2 = reach * reach, 4 * k * k
    for i in range(len(hkl)):
        h, j, m = float(hkl[i, 0]), float(hkl[i, 1]), float(hkl[i, 2])
        x = ax * h + bx * j + cx * m
        y = ay * h + by * j + cy * m
        z = az * h + bz * j + cz * m
        s2 = x * x + y * y + z * z
        limit2 = reach2 * (size2 + angle2 * s2 * (1 - s2 / four_k2) + radial2 * s2 * s2 / four_k2)
        # |kẑ + q| - k is (s² + 2kz) / (|kẑ + q| + k); for what is near the sphere the denominator is 2k + e.
        away = min(abs(s2 + 2 * k * z), abs(s2 - 2 * k * z)) / (2 * k)
        if away * away > 1.05 * limit2:
            continue
        for sign in (1, -1):
            e = math.sqrt(s2 + 2 * k * z * sign + k * k) - k
            if e * e <= limit2:
                if n == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                    signs = np.concatenate((signs, np.empty_like(signs)))
                found[n] = i
                signs[n] = sign
                n += 1
    return found[:n], signs[:n]
