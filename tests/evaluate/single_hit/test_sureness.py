"""One factor makes probabilities right, and no family has a say in its own."""

import numpy as np
import pytest
from scipy.special import expit

from evaluate.single_hit.sureness import ALL, Answered, joined, of_families, sureness


def answered(family: str, factor: float, seed: int, n: int = 20_000) -> Answered:
    """Patterns whose true log-odds are `factor` times what is said of them."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0, 2, n)
    is_single = generator.random(n) < expit(factor * scores)
    return Answered(scores, is_single, np.full(n, family), np.full(n, family))


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5, 4.0])
def test_it_is_found(factor: float) -> None:
    """Within three standard errors, the information of n patterns being Σ s² p (1 - p)."""
    some = answered("a", factor, 0)
    p = expit(factor * some.scores)
    error = 1 / np.sqrt((some.scores**2 * p * (1 - p)).sum())
    assert sureness(some) == pytest.approx(factor, abs=3 * error)


def test_it_is_the_likeliest_of_a_grid() -> None:
    """Slowly: the likelihood at ten thousand factors."""
    some = answered("a", 1.5, 1, n=300)
    grid = np.geomspace(0.1, 10, 10_000)
    towards = np.where(some.is_single, some.scores, -some.scores)
    cost = [np.logaddexp(0, -factor * towards).sum() for factor in grid]
    assert sureness(some) == pytest.approx(grid[np.argmin(cost)], rel=1e-3)


def test_a_family_is_judged_by_the_others() -> None:
    parts = [answered("a", 0.5, 2), answered("b", 2.0, 3), answered("c", 2.0, 4)]
    found = of_families(joined(parts))
    assert set(found) == {"a", "b", "c", ALL}
    assert found["a"] == pytest.approx(2.0, abs=0.1)
    assert 0.5 < found["b"] < found[ALL] < 2.0


def test_structures_weigh_alike() -> None:
    """A hundred times the patterns of one structure say no more than a few."""
    many, few = answered("a", 0.5, 5, n=40_000), answered("b", 2.0, 6, n=4_000)
    twice = joined([many, many, few])
    assert sureness(twice) == pytest.approx(sureness(joined([many, few])), rel=1e-3)


def test_one_kind_alone_says_nothing() -> None:
    some = answered("a", 1.0, 7, n=100)
    with pytest.raises(ValueError, match="both kinds"):
        sureness(Answered(*(column[some.is_single] for column in some)))
