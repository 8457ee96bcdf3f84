"""Clouds of embeddings of single and multiple hits, and distances and means in slow loops."""

import math

import numpy as np

from train.few_shot.support import SupportSet


def clouds(n_single, n_multiple, d=3, apart=1.5, seed=0):
    """Two clouds of embeddings, single hits first."""
    generator = np.random.default_rng(seed)
    is_single = np.arange(n_single + n_multiple) < n_single
    embeddings = generator.normal(size=(len(is_single), d)) + apart * is_single[:, None]
    return SupportSet(embeddings.astype(np.float32), is_single)


def asked(n=40, d=3, seed=9):
    return np.random.default_rng(seed).normal(0.7, 1.5, (n, d)).astype(np.float32)


def squared(one, other):
    return math.fsum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True))


def mean(points):
    return [math.fsum(map(float, component)) / len(points) for component in zip(*points, strict=True)]
