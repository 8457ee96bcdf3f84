"""The two heads of a network for shots at single particles."""

import torch
from torch import Tensor


def sizes(n_structures: int, n_multiplicities: int) -> dict[str, int]:
    """Classes of each target, as `train.models.registry.build` takes them."""
    return {"hit_multiplicity": n_multiplicities, "structure": n_structures}


def together(logits: dict[str, Tensor]) -> Tensor:
    """Logits of both heads side by side (B, all classes)."""
    return torch.cat([*logits.values()], 1)
