"""Embeddings placed by hand: clouds of single and multiple hits, and points along a line."""

import numpy as np

from evaluate.predictions.embeddings import Embedded


def patterns(n: int, seed: int = 0, apart: float = 3.0, structures: tuple[str, ...] = ("a", "b")) -> Embedded:
    """Single hits about (0, 0), multiple ones about (apart, 0); each structure somewhat above the one before."""
    generator = np.random.default_rng(seed)
    multiplicity, number = np.arange(n) % 4 + 1, np.arange(n) // 4 % len(structures)
    embeddings = generator.standard_normal((n, 2))
    embeddings[:, 0] += apart * (multiplicity > 1)
    embeddings[:, 1] += 0.5 * number
    return Embedded(
        embeddings.astype(np.float32), np.array(structures)[number], multiplicity, np.full(n, "test"), np.ones(n)
    )


def along_a_line(structure: str, places: list[float], numbers: list[int]) -> Embedded:
    n = len(places)
    line = np.array(places, np.float32)[:, None]
    return Embedded(line, np.full(n, structure), np.array(numbers), np.full(n, "any"), np.ones(n))


def both(*some: Embedded) -> Embedded:
    return Embedded(*(np.concatenate(columns) for columns in zip(*some, strict=True)))
