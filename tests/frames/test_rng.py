"""Counter-based random numbers: the published algorithm, the same in numpy and compiled, and random."""

import numpy as np
from numba import njit
from scipy import stats

from frames import rng
from frames.rng import STREAMS, mix, normals, states, uniforms
from frames.rng.compiled import bits, uniform

SEEDS = np.random.default_rng(0).integers(0, 2**64, size=1000, dtype=np.uint64)


def split_mix(state: int, n: int) -> list[int]:
    """SplitMix64 as its authors wrote it, with Python's integers."""
    mask, numbers = 2**64 - 1, []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(z ^ (z >> 31))
    return numbers


def test_it_is_split_mix() -> None:
    assert split_mix(0, 2) == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]  # known from its use as a seeder
    start = int(states(SEEDS[:1], "photons")[0])
    expected = [((number >> 11) + 0.5) * 2.0**-53 for number in split_mix(start, 5)]
    assert uniforms(SEEDS[:1], "photons", 5)[0].tolist() == expected


def test_compiled_numbers_are_the_same() -> None:
    @njit
    def draw(state, n):
        return [uniform(state, i) for i in range(n)], [bits(state, i) for i in range(n)]

    start = states(SEEDS[:1], "photons")[0]
    numbers, raw = draw(start, 7)
    assert numbers == uniforms(SEEDS[:1], "photons", 7)[0].tolist()
    assert raw == split_mix(int(start), 7)


def test_numbers_are_uniform_and_normal() -> None:
    numbers = uniforms(SEEDS, "focus", 50)
    assert 0 < numbers.min() < numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-4
    assert stats.kstest(normals(SEEDS, "focus", 50).ravel(), "norm").pvalue > 1e-4


def test_seeds_that_follow_each_other_and_streams_are_independent() -> None:
    n = 4000
    neighbours = uniforms(np.arange(n, dtype=np.uint64), "energy", 2)
    for one, other in (
        (neighbours[:-1, 0], neighbours[1:, 0]),
        (neighbours[:, 0], neighbours[:, 1]),
        (neighbours[:, 0], uniforms(np.arange(n, dtype=np.uint64), "centre", 1)[:, 0]),
    ):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(n)


def test_every_purpose_has_a_number_of_its_own() -> None:
    assert len(set(STREAMS.values())) == len(STREAMS)


def test_the_scrambler_is_one_to_one() -> None:
    values = np.arange(100_000, dtype=np.uint64)
    assert len(np.unique(mix(values))) == len(values)
    assert rng.GAMMA % 2 == 1  # so the counter visits all 2⁶⁴ states
