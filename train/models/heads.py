"""The two answers of every network: how many particles, and which."""

from typing import NamedTuple

from torch import Tensor, nn


class Logits(NamedTuple):
    """Unnormalised log-probabilities."""

    count: Tensor  # type: ignore[assignment]  # tuple.count has no use here
    """(B, n_multiplicities)"""
    particle: Tensor
    """(B, n_structures)"""


class Heads(nn.Module):
    """One linear layer a question, on the same features (B, n_features)."""

    def __init__(self, n_features: int, n_structures: int, n_multiplicities: int):
        super().__init__()
        self.count = nn.Linear(n_features, n_multiplicities)
        self.particle = nn.Linear(n_features, n_structures)

    def forward(self, features: Tensor) -> Logits:
        return Logits(self.count(features), self.particle(features))
