"""Orientations drawn about a peak: evenly in a ball, and the evidence that they add up to."""

import numpy as np
import pytest
from scipy.special import i0e, i1e
from scipy.stats import kstest

from evaluate.limit.likelihood import log_mean
from evaluate.limit.orientation_refinement import density, gap, near, refined_evidence, share
from simulate.orientation import random_orientations


def test_rotations_are_drawn_evenly_in_a_ball() -> None:
    """The share of the ball within a rotation's angle is uniform; densities average to 1 over SO(3)."""
    rng = np.random.default_rng(4)
    centres, angle = random_orientations(rng, 2000), 0.5
    drawn = near(centres, angle, rng)
    turn = 2 * np.arccos(np.minimum(np.abs((drawn * centres).sum(axis=1)), 1))
    assert np.allclose(np.linalg.norm(drawn, axis=1), 1)
    assert kstest(share(turn) / share(np.array(angle)), "uniform").pvalue > 1e-3
    inside = density(random_orientations(rng, 20_000), centres[:50], angle)
    assert inside.mean() == pytest.approx(1, abs=5 * inside.std() / np.sqrt(len(inside)))
    assert 20_000 * share(np.array(gap(20_000))) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("sharpness", [0.0, 10.0, 100.0, 1e4])
def test_refined_evidence_finds_a_peak(sharpness: float) -> None:
    """exp(κ(cos θ - 1)) of the angle θ from one orientation; its mean over SO(3) is e^-κ (I₀(κ) - I₁(κ)). At κ = 10⁴ it
    is 0.6° wide, and 500 orientations are 19° apart. Each round has 64 draws of weights that vary twofold or so: its
    mean errs by 1/√64, and 0.4 is three times that."""
    rng = np.random.default_rng(6)
    peak, first = random_orientations(rng, 1)[0], random_orientations(rng, 500)

    def log_value(quaternions: np.ndarray) -> np.ndarray:
        return sharpness * (2 * (quaternions @ peak) ** 2 - 2)[None]

    exact = np.log(i0e(sharpness) - i1e(sharpness))
    found = refined_evidence(first, log_value(first), log_value, rng)
    assert found == pytest.approx(exact, abs=0.4)
    if sharpness == 1e4:
        assert abs(log_mean(log_value(first), 500)[0] - exact) > 3
