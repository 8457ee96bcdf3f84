"""A network that embeds: any with heads, which give way to one linear layer."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from train.config.recipe import Distance
from train.models.heads import Heads
from train.models.registry import IMAGE_PIXELS, build


class Embedding(nn.Module):
    """Features (B, n_features) as embeddings (B, d); `proxies` (n_proxies, d) to train by, see
    train/losses/triplet.py."""

    def __init__(self, n_features: int, embedding_dim: int, distance: Distance, n_proxies: int = 0):
        super().__init__()
        self.linear = nn.Linear(n_features, embedding_dim)
        self.normalised = distance == "squared_l2"
        self.proxies = nn.Parameter(torch.randn(n_proxies, embedding_dim)) if n_proxies else None

    def forward(self, features: Tensor) -> Tensor:
        embeddings = self.linear(features).float()
        return normalize(embeddings) if self.normalised else embeddings


def encoder(
    name: str, embedding_dim: int, distance: Distance, n_proxies: int = 0, n_pixels: int = IMAGE_PIXELS
) -> nn.Module:
    """A new network with random weights: (B, 1, n_pixels, n_pixels) float32 images -> (B, embedding_dim) float32.

    Of length 1 for `squared_l2`, as SpeckleNN has it. KeyError lists the known networks; ValueError for one whose heads
    share no features, or for images that it cannot be built for.
    """
    network = build(name, {"a": 1, "b": 1}, n_pixels)  # these heads give way
    if not hasattr(network, "heads"):
        raise ValueError(f"network {name!r} cannot embed: its heads share no features; choose another, as late10")
    heads = cast(Heads, network.heads)
    network.heads = Embedding(heads.n_features, embedding_dim, distance, n_proxies)
    return network
