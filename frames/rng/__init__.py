"""Random numbers of a pattern, each by its own place: nothing depends on the order in which patterns are made.

SplitMix64 (Steele, Lea & Flood 2014, OOPSLA) is a bijective scrambler of a counter: its n-th number from a state s is
mix(s + n γ), so any number is had at once, in numpy, in a compiled loop or on a GPU, always the same one. A pattern has
a 64-bit seed; every purpose (`STREAMS`) turns it into a state of its own.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

GAMMA = 0x9E3779B97F4A7C15
"""2⁶⁴ over the golden ratio, the step of the counter."""

MULTIPLIERS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

STREAMS = {
    "orientation": 1,
    "placement": 2,
    "species": 3,
    "fluence": 4,
    "energy": 5,
    "centre": 6,
    "focus": 7,
    "photons": 8,
    "read_noise": 9,
    "gain": 10,
    "hot": 11,
    "dead": 12,
    "augment": 13,
    "structure_factor": 40,
    "crystal": 41,
    "background": 42,
    "ice": 43,
    "n_spots": 44,
    "annotator": 50,
}
"""Purposes of random numbers. A number once given keeps its meaning: changing it changes every pattern."""


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The scrambler of SplitMix64, element by element."""
    values = np.asarray(values, dtype=np.uint64)
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(MULTIPLIERS[0])
        values = (values ^ (values >> np.uint64(27))) * np.uint64(MULTIPLIERS[1])
    return values ^ (values >> np.uint64(31))


def states(seeds: NDArray[np.uint64], stream: str) -> NDArray[np.uint64]:
    """The counter's start for each seed and one purpose."""
    return mix(np.asarray(seeds, dtype=np.uint64) ^ mix(np.asarray(STREAMS[stream], dtype=np.uint64)))


def uniforms(seeds: NDArray[np.uint64], stream: str, count: int) -> NDArray[np.float64]:
    """(n, count) numbers evenly in (0, 1), 53 bits each, for seeds (n,)."""
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
        bits = mix(states(seeds, stream)[:, None] + steps)
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normals(seeds: NDArray[np.uint64], stream: str, count: int) -> NDArray[np.float64]:
    """(n, count) standard normal numbers for seeds (n,)."""
    return ndtri(uniforms(seeds, stream, count))
