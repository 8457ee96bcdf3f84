"""Patterns that an exported network is compared with torch on, where there are no others."""

import numpy as np
from numpy.typing import NDArray


def trial_frames(image_shape: tuple[int, int], n: int = 8) -> NDArray[np.float32]:
    """Made-up patterns (n, ny, nx) of 10 to 1e6 photons, speckle of random points, and one without any photon."""
    generator = np.random.default_rng(0)
    density = np.zeros((n - 1, *image_shape))
    ny, nx = image_shape
    density[:, : ny // 8, : nx // 8] = generator.random((n - 1, ny // 8, nx // 8)) < 0.1
    intensity = np.abs(np.fft.fftshift(np.fft.fft2(density), axes=(1, 2))) ** 2
    intensity *= (np.geomspace(10, 1e6, n - 1) / intensity.sum((1, 2)))[:, None, None]
    return np.concatenate((generator.poisson(intensity), np.zeros((1, ny, nx)))).astype(np.float32)
