"""What networks share: the size of most images, and a head for each target."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

IMAGE_SIZE = 128

Logits = dict[str, Tensor]
"""Target -> unnormalised log-probabilities (B, its classes), in the order of the dataset's targets"""


class Heads(nn.Module):
    """One linear layer a target, on the same features (B, n_features); `sizes`: target -> number of its classes."""

    def __init__(self, n_features: int, sizes: Mapping[str, int]):
        super().__init__()
        self.n_features = n_features
        self.layers = nn.ModuleDict({module_name(target): nn.Linear(n_features, n) for target, n in sizes.items()})

    def forward(self, features: Tensor) -> Logits:
        return by_target(self.layers, features)


def module_name(target: str) -> str:
    """What a target's part of a network is called: not its bare name, which may be that of a method of torch's."""
    return f"of_{target}"


def by_target(parts: nn.ModuleDict, features: Tensor) -> Logits:
    """The answer of each target's part of a network."""
    return {name.removeprefix("of_"): cast(Tensor, part(features)) for name, part in parts.items()}


def must_fit(images: Tensor, n_pixels: int = IMAGE_SIZE) -> None:
    """ValueError unless these are (B, 1, n_pixels, n_pixels)."""
    if images.shape[1:] != (1, n_pixels, n_pixels):
        raise ValueError(
            f"images of shape {tuple(images.shape)}: this network takes (B, 1, {n_pixels}, {n_pixels}); "
            f"simulate with detector.n_pixels: {n_pixels}"
        )
