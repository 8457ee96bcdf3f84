"""What networks share: the size of most images, and two heads, number of particles and structure."""

from typing import NamedTuple

from torch import Tensor, nn

IMAGE_SIZE = 128


class Logits(NamedTuple):
    """Unnormalised log-probabilities."""

    count: Tensor  # type: ignore[assignment]  # tuple.count has no use here
    """(B, n_multiplicities)"""
    particle: Tensor
    """(B, n_structures)"""


class Heads(nn.Module):
    """One linear layer a head, on the same features (B, n_features)."""

    def __init__(self, n_features: int, n_structures: int, n_multiplicities: int):
        super().__init__()
        self.count = nn.Linear(n_features, n_multiplicities)
        self.particle = nn.Linear(n_features, n_structures)

    def forward(self, features: Tensor) -> Logits:
        return Logits(self.count(features), self.particle(features))


def must_fit(images: Tensor, n_pixels: int = IMAGE_SIZE) -> None:
    """ValueError unless these are (B, 1, n_pixels, n_pixels)."""
    if images.shape[1:] != (1, n_pixels, n_pixels):
        raise ValueError(
            f"images of shape {tuple(images.shape)}: this network takes (B, 1, {n_pixels}, {n_pixels}); "
            f"simulate with detector.n_pixels: {n_pixels}"
        )
