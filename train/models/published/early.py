"""Early fusion: the heads part after two convolutions, and each has a stack of its own.

The poster's "early" network (Florin & Yoon): the convolutions of its 10-layer late network, from the third on twice.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from train.models.heads import Logits, by_target, module_name, must_fit
from train.models.published.late import DROPOUT, LATE10, n_features, stack

SHARED, OWN = LATE10[:2], LATE10[2:]


class EarlyFusion(nn.Module):
    """Two shared convolutions, then for each head seven of its own, its dropout and its linear layer."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        self.shared = stack(SHARED)
        self.branches = nn.ModuleDict({module_name(target): branch(n) for target, n in sizes.items()})

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, 128, 128) float32; ValueError for any other size."""
        must_fit(images)
        features = self.shared(images)  # (B, 16, 32, 32)
        return by_target(self.branches, features)


def branch(n_classes: int) -> nn.Sequential:
    """From the shared features (B, 16, 32, 32) to the logits of one head (B, n_classes)."""
    shared_channels = SHARED[-1][0]
    return nn.Sequential(
        stack(OWN, shared_channels), nn.Dropout(DROPOUT), nn.Flatten(), nn.Linear(n_features(LATE10), n_classes)
    )


def early(sizes: Mapping[str, int]) -> EarlyFusion:
    """The poster's early network."""
    return EarlyFusion(sizes)
