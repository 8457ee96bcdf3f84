"""Evidence from more orientations where the likelihood is: adaptive multiple importance sampling on SO(3).

A bright pattern's likelihood is a narrow peak in orientation, which a few thousand random ones miss. In rounds, more
are drawn near those that weigh most so far, in balls that shrink by half. All of them, those of the first sample too,
are weighed by the mixture of everything that they could have been drawn from (the balance heuristic: Veach & Guibas
1995, SIGGRAPH, 419; with an adapted mixture Cornuet et al. 2012, Scand. J. Stat. 39, 798):

    evidence = Σ_i p_i / Σ_t n_t d_t(R_i)

with d_t the density of round t relative to the uniform one, which is 1 for the first sample. The first balls have twice
the radius of the gaps between the first sample: a centre that is alone in its ball would weigh too little. Rounds end
when the sample is even enough. In tests on peaks from 0.2° to 180° wide the logarithm errs by 0.1.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

Array = NDArray[np.float64]

ROUNDS = 6
"""At most. The last balls have 1/16 of the radius of the gaps."""

DRAWN = 64
"""Orientations in a round: as many as the compiled loops take together."""

ENOUGH = 64.0
"""Effective sample size, 1/Σw² of weights w that sum to 1, at which no round is needed."""


def refined_evidence(
    quaternions: Array, log_values: Array, more: Callable[[Array], Array], rng: np.random.Generator
) -> Array:
    """ln of the mean of p over SO(3), for k functions p that share their peaks, (k,).

    Parameters
    ----------
    quaternions : (n, 4) uniform over SO(3).
    log_values :  (k, n) ln p of them.
    more :        from further quaternions (m, 4) to their ln p (k, m).
    """
    first = len(quaternions)
    totals = np.full(first, float(first))
    rounds: list[tuple[Array, float]] = []
    for angle in 2 * gap(first) / 2.0 ** np.arange(ROUNDS):
        weights = softmax(log_values - np.log(totals), axis=1)
        if np.square(weights).sum(axis=1).max() < 1 / ENOUGH:
            break
        centres = quaternions[rng.choice(len(quaternions), DRAWN, p=weights.mean(axis=0))]
        rounds.append((centres, angle))
        drawn = near(centres, angle, rng)
        totals += DRAWN * density(quaternions, centres, angle)
        totals = np.append(totals, first + DRAWN * sum(density(drawn, *each) for each in rounds))
        quaternions = np.concatenate([quaternions, drawn])
        log_values = np.concatenate([log_values, more(drawn)], axis=1)
    return logsumexp(log_values - np.log(totals), axis=1)


def gap(n: int) -> float:
    """Radius [rad] of balls of which n have the volume of SO(3): (6π/n)^⅓, less where n is small."""
    angles = np.linspace(0, math.pi, 10_001)
    return float(np.interp(1 / n, share(angles), angles))


def share(angle: Array) -> Array:
    """Of all rotations, those that turn by no more than this [rad]: (angle - sin angle)/π."""
    return (angle - np.sin(angle)) / math.pi


def near(centres: Array, angle: float, rng: np.random.Generator) -> Array:
    """(m, 4) rotations, each uniform in the ball of this radius about its centre (m, 4)."""
    angles = np.linspace(0, angle, 1001)
    turn = np.interp(rng.uniform(size=len(centres)), share(angles) / share(angles[-1:]), angles)
    axis = rng.standard_normal((len(centres), 3))
    axis *= (np.sin(turn / 2) / np.linalg.norm(axis, axis=1))[:, None]
    a, b = np.cos(turn / 2)[:, None], centres[:, :1]
    scalar = a * b - (axis * centres[:, 1:]).sum(axis=1, keepdims=True)
    return np.concatenate([scalar, a * centres[:, 1:] + b * axis + np.cross(axis, centres[:, 1:])], axis=1)


def density(quaternions: Array, centres: Array, angle: float) -> Array:
    """(n,) of rotations (n, 4) drawn by `near`, relative to the uniform density."""
    inside = np.abs(quaternions @ centres.T) >= math.cos(angle / 2)
    return inside.mean(axis=1) / share(np.array(angle))
