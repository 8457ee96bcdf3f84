"""What networks that find hits are put together from: a base that makes features, a classifier, a reversed gradient."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

CLASSES = 2
"""Miss; hit or maybe."""


class DomainLogits(NamedTuple):
    """Answers of a network that is trained adversarially."""

    label: Tensor
    """(B, CLASSES)"""
    domain: Tensor
    """(B, 2) source, target"""


class HitNetwork(nn.Module):
    """Features of a frame and what they say: (B, 1, ...) -> logits (B, classes).

    Parameters
    ----------
    base : (B, 1, ...) -> features (B, k); a sequence of blocks, of which the last can be freed first.
    """

    def __init__(self, base: nn.Sequential, classifier: nn.Module, n_features: int):
        super().__init__()
        self.base, self.classifier, self.n_features = base, classifier, n_features
        self.frozen_blocks = 0

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        return self.classifier(self.base(inputs))

    def freeze(self, blocks: int) -> None:
        """The first blocks of the base, with the statistics of their batch normalisation, stay what they are.

        ValueError where the base has not so many.
        """
        if not 0 <= blocks <= len(self.base):
            raise ValueError(f"{blocks} blocks are to be frozen, but the base has {len(self.base)}")
        self.frozen_blocks = blocks
        for number, block in enumerate(self.base):
            block.requires_grad_(number >= blocks)
        self.train(self.training)

    def train(self, mode: bool = True) -> "HitNetwork":
        """Frozen blocks stay in evaluation mode: else batches of new frames would move their statistics."""
        super().train(mode)
        for block in list(self.base)[: self.frozen_blocks]:
            block.eval()
        return self


class _Reversed(torch.autograd.Function):
    """Nothing forwards, -strength times the gradient backwards."""

    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradient, None


def reversed_gradient(features: Tensor, strength: float) -> Tensor:
    """The features, whose gradient comes back reversed (Ganin & Lempitsky, ICML 2015, eq. 9-10)."""
    return _Reversed.apply(features, strength)


class DomainAdversarial(HitNetwork):
    """A network with a second head that tells source from target, whose gradient is reversed in front of the base."""

    def __init__(self, network: HitNetwork):
        super().__init__(network.base, network.classifier, network.n_features)
        self.domain = nn.Sequential(nn.Linear(self.n_features, 64), nn.ReLU(inplace=True), nn.Linear(64, 2))
        self.strength = 0.0
        """λ; of the training's progress, train/tasks/domain_adversarial.py"""

    def forward(self, inputs: Tensor) -> Any:
        """Logits of label and domain."""
        features = self.base(inputs)
        return DomainLogits(self.classifier(features), self.domain(reversed_gradient(features, self.strength)))


class MeanAndMax(nn.Module):
    """(B, k, ...) -> (B, 2k): means and maxima over all places, so frames of any size do."""

    def forward(self, maps: Tensor) -> Tensor:
        """Means, then maxima."""
        flat = maps.flatten(2)
        return torch.cat((flat.mean(2), flat.amax(2)), 1)


def classifier(n_features: int, hidden: int, dropout: float = 0.3, classes: int = CLASSES) -> nn.Sequential:
    """One hidden layer."""
    return nn.Sequential(
        nn.Linear(n_features, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(hidden, classes)
    )
