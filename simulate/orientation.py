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
