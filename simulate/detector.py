"""From expected photons to what a photon-counting detector reads.

Every pattern draws from its own generators, seeded by its row of the plan, so that it is the same in whatever order,
shard or process it is made. `stream` keeps the draws of different purposes independent.
"""

import numpy as np
from numpy.typing import NDArray

STREAMS = {"arrangement": 0, "photons": 1, "read_noise": 2}
NOT_A_COUNT = int(np.iinfo(np.uint16).max)
"""Stands for "never written" in a store."""

MAX_PHOTONS = NOT_A_COUNT - 1


def generator(seed: int, stream: str) -> np.random.Generator:
    """The random generator of one pattern for one purpose: `arrangement`, `photons` or `read_noise`."""
    return np.random.default_rng([int(seed), STREAMS[stream]])


def sample_photons(expected_photons: NDArray[np.float32], seeds: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Poisson samples (n, ny, nx) of the expected photons (n, ny, nx), one seed a pattern.

    Raises
    ------
    OverflowError if a pixel counts more than uint16 holds; nothing wraps.
    """
    photons = np.empty(expected_photons.shape, dtype=np.uint16)
    for index, seed in enumerate(seeds):
        photons[index] = as_counts(generator(seed, "photons").poisson(expected_photons[index]))
    return photons


def as_counts(photons: NDArray[np.int64]) -> NDArray[np.uint16]:
    """The same counts as uint16, or OverflowError."""
    if (largest := int(photons.max(initial=0))) > MAX_PHOTONS:
        raise OverflowError(
            f"a pixel counts {largest} photons, more than the {MAX_PHOTONS} that are stored (uint16); "
            "lower photons_per_pulse, cover the pixel with a beamstop, or record: expected"
        )
    return photons.astype(np.uint16)


def add_read_noise(
    photons: NDArray[np.uint16], sigma_photons: float, seeds: NDArray[np.uint64], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Counts plus Gaussian noise [photons], (n, ny, nx) float32; masked pixels stay 0."""
    noisy = photons.astype(np.float32)
    if sigma_photons > 0:
        for image, seed in zip(noisy, seeds, strict=True):
            image += sigma_photons * generator(seed, "read_noise").standard_normal(image.shape, dtype=np.float32)
        noisy[:, mask] = 0
    return noisy


def round_mantissa(values: NDArray[np.float32], bits: int = 12) -> NDArray[np.float32]:
    """Round to `bits` bits after the leading one: a relative error of at most 2^-(bits+1), and fewer bytes on disk."""
    drop = 23 - bits
    integers = values.view(np.uint32)
    rounded = integers + np.uint32((1 << (drop - 1)) - 1) + ((integers >> np.uint32(drop)) & np.uint32(1))
    return (rounded & ~np.uint32((1 << drop) - 1)).view(np.float32)
