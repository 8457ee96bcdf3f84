"""Ours: how likely each candidate is a Bragg spot, how many that makes, and whether it is enough.

A label of a frame says little about where its spots are, but all of it about how many: at least 4, at least 10. So one
small network looks at every candidate for itself (train/batches/candidates.py) and answers the probability that it is a
spot; their sum c is the number of spots. A frame has at least m of them with probability σ(a (ln (c + 1/2) - ln t)), t
near m. Nothing but that number joins the candidates, and so there is little that a few labels could overfit: some
thirty weights, where an image's network has tens of thousands. None of them is a mean of the frames learned from (no
batch normalisation): what a candidate's numbers mean is the same in every dataset.
"""

import math

import torch
from torch import Tensor, nn

from train.batches.candidates import FEATURES
from train.models.hit_finding.layers import HitNetwork

HIDDEN = 8
THRESHOLDS = 4.0, 10.0
"""Fewest spots of a maybe, and of a hit: where 1/2 less are counted both sides are as likely."""


class Counted(nn.Module):
    """(B, 1, k, features) of candidates -> (B, 1) expected number of spots."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(len(FEATURES) - 1, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))

    def spot_logits(self, candidates: Tensor) -> Tensor:
        """(B, k) of each candidate; -inf where there is none."""
        numbers = candidates.squeeze(1)
        return self.each(numbers[..., :-1]).squeeze(-1).masked_fill(numbers[..., -1] <= 0, -math.inf)

    def forward(self, candidates: Tensor) -> Tensor:
        """Sum of the candidates' probabilities."""
        return self.spot_logits(candidates).sigmoid().sum(1, keepdim=True)


class Enough(nn.Module):
    """(B, 1) number of spots -> (B, 3) logarithms of the probabilities of miss, maybe and hit."""

    def __init__(self) -> None:
        super().__init__()
        self.steepness = nn.Parameter(torch.tensor(math.log(4.0)))
        self.thresholds = nn.Parameter(torch.tensor(THRESHOLDS).log())

    def forward(self, count: Tensor) -> Tensor:
        """Of an ordinal regression: P(at least 4) - P(at least 10) is that of a maybe."""
        low, high = self.thresholds.sort().values
        steep, where = self.steepness.exp(), (count[:, 0] + 0.5).log()
        at_least = torch.stack((steep * (where - low), steep * (where - high)), 1).sigmoid()
        p = torch.stack((1 - at_least[:, 0], at_least[:, 0] - at_least[:, 1], at_least[:, 1]), 1)
        return p.clamp(min=1e-6).log()


def spots() -> HitNetwork:
    """The spot counter, 36 numbers to learn."""
    return HitNetwork(nn.Sequential(Counted()), Enough(), 1)
