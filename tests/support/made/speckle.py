"""Patterns that look like single and multiple hits and cost nothing: squared Fourier transforms of random points."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIZE = 128
"""Pixels along x and along y"""


@cache
def expected(n: int, seed: int, photons: tuple[float, float] = (3e3, 3e4)) -> NDArray[np.float32]:
    """(n, 128, 128) expected photons of clusters of points, the beam in the middle, with such sums over the image."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(n, 30, 2)) * generator.uniform(2, 4, (n, 1, 1))
    points += generator.normal(size=(n, 1, 2))
    q = 2 * np.pi / SIZE * (np.arange(SIZE) - (SIZE - 1) / 2)
    along_y, along_x = (np.exp(1j * points[..., axis, None] * q).astype(np.complex64) for axis in (0, 1))
    sharp = np.exp(-(np.hypot(q[:, None], q) ** 2) * 2)  # of form factors
    intensity = np.abs(along_y.transpose(0, 2, 1) @ along_x) ** 2 * sharp
    totals = np.exp(generator.uniform(*np.log(photons), n))
    return (intensity * (totals / intensity.sum((1, 2)))[:, None, None]).astype(np.float32)


def counted(n: int, seed: int, photons: tuple[float, float] = (3e3, 3e4)) -> NDArray[np.uint16]:
    """The same as photons are counted."""
    return np.random.default_rng(seed).poisson(expected(n, seed, photons)).astype(np.uint16)


def read(n: int, seed: int, photons: tuple[float, float] = (3e3, 3e4), noise: float = 0.3) -> NDArray[np.float32]:
    """The same with read noise [photons]."""
    noises = np.random.default_rng(seed + 1).normal(0, noise, (n, SIZE, SIZE))
    return (counted(n, seed, photons) + noises).astype(np.float32)
