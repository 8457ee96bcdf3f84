"""Prepared frames of no crystal: vectors and tables in which hits stand out as spots make them."""

import numpy as np
from numpy.typing import NDArray

from train.batches.candidates import FEATURES, KEPT
from train.batches.hits import HitData


def labels(n: int, seed: int) -> NDArray[np.int64]:
    """Half misses, a sixth maybe, the rest hits."""
    return np.random.default_rng(seed).permutation(np.array((0, 0, 0, 1, 2, 2))[np.arange(n) % 6])


def vectors(n: int = 60, seed: int = 0, name: str = "a", noise: float = 0.1) -> HitData:
    """(n, 1, 64): ones and noise; peaks at random places where there is a hit."""
    generator = np.random.default_rng(seed)
    label = labels(n, seed)
    inputs = 1 + noise * np.abs(generator.normal(size=(n, 1, 64)))
    for row, spots in enumerate(6 * label):
        inputs[row, 0, generator.integers(64, size=spots)] += 2
    return HitData(name, inputs.astype(np.float32), label, np.arange(n))


def candidates(n: int = 60, seed: int = 0, name: str = "a") -> HitData:
    """(n, KEPT, features): noise of low, spots of high signal-to-noise, as many as the label says."""
    generator = np.random.default_rng(seed)
    label = labels(n, seed)
    inputs = generator.normal(0, 0.3, (n, KEPT, len(FEATURES)))
    inputs[:, :, 0] -= 0.8
    for row, kind in enumerate(label):
        n_spots = generator.integers((0, 4, 10)[kind], (4, 10, 30)[kind])
        inputs[row, :n_spots, 0] += 2
    inputs[..., -1] = 1
    inputs[:, 40:] = 0
    return HitData(name, inputs.astype(np.float32), label, np.arange(n))
