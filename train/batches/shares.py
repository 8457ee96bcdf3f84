"""How many hits a dataset without labels has, from what a network of another dataset answers: labels are not needed.

Networks that learned where a fifth of the frames are hits say too seldom "hit" where it is half of them. Saerens,
Latinne & Decaestecker, Neural Computation 14, 21 (2002): answers are scaled by the ratio of new to old shares, their
mean are the next shares, until these stand. That is expectation maximisation, of the likelihood of the new frames.
"""

import numpy as np
from numpy.typing import NDArray

STEPS, STANDS = 1000, 1e-6
"""Rounds at most; a change of the share at which they end."""

LEAST = 0.02
"""Of hits, and of misses: a share of 0 would stay 0."""


def estimated_share(p_hit: NDArray[np.floating], share: float) -> float:
    """Share of hits among new frames, by the probabilities (n,) that a network gives them.

    Parameters
    ----------
    share : of the hits among the frames that the network learned from.

    ValueError unless that is above 0 and below 1, and there are frames.
    """
    if not 0 < share < 1:
        raise ValueError(f"{share:g} of the frames of the source are hits; expected some of both")
    if not len(p_hit):
        raise ValueError("there are no frames to tell a share of hits by")
    p = np.clip(np.asarray(p_hit, np.float64), 1e-6, 1 - 1e-6)
    new = share
    for _ in range(STEPS):
        hit, miss = p * new / share, (1 - p) * (1 - new) / (1 - share)
        before, new = new, float(np.clip((hit / (hit + miss)).mean(), LEAST, 1 - LEAST))
        if abs(new - before) < STANDS:
            break
    return new
