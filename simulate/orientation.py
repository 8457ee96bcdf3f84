"""Rotations of particles: unit quaternions (w, x, y, z) that turn the sample frame into the lab frame."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def random_orientations(rng: np.random.Generator, n: int) -> Array:
    """(n, 4) unit quaternions, uniform over SO(3).

    A Gaussian in four dimensions has no preferred direction, so its direction is uniform on the 3-sphere. The sign is
    chosen so that w >= 0: both signs are the same rotation.
    """
    quaternions = rng.standard_normal((n, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    return np.where(quaternions[:, :1] < 0, -quaternions, quaternions)


def seen_between(quaternions: Array, lowest: float, highest: float) -> Array:
    """Particles (p, 4) turned so that they are seen along unit vectors with lowest <= |z| <= highest; (p, 4), w >= 0.

    The view is the beam's direction in the sample frame, v = Rᵀ ẑ. It keeps its azimuth and the sign of its z, of
    which |z| in [0, 1] is squeezed into [lowest, highest], and the particle keeps its turn about the beam. On a sphere
    z is uniform between any two circles of latitude (Archimedes): from orientations uniform over SO(3) come uniform
    ones of those that have such a view.
    """
    vx, vy, vz = rotation_matrices(quaternions)[:, 2].T
    height = np.copysign(lowest + (highest - lowest) * np.minimum(np.abs(vz), 1), vz)
    # With v' the new view, R' = R S where S takes v' to v: about (-vy, vx, 0), by the change of the polar angle.
    half, azimuth = (np.arctan2(np.hypot(vx, vy), vz) - np.arccos(height)) / 2, np.arctan2(vy, vx)
    sw, sx, sy = np.cos(half), -np.sin(half) * np.sin(azimuth), np.sin(half) * np.cos(azimuth)
    w, x, y, z = quaternions.T
    turned = np.stack(
        [w * sw - x * sx - y * sy, w * sx + x * sw - z * sy, w * sy + y * sw + z * sx, x * sy - y * sx + z * sw],
        axis=1,
    )
    return np.where(turned[:, :1] < 0, -turned, turned)


def rotation_matrices(quaternions: Array) -> Array:
    """Rotation matrices R (..., 3, 3) of unit quaternions (..., 4); r_lab = R r_sample."""
    w, x, y, z = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
        ],
        axis=-2,
    )
