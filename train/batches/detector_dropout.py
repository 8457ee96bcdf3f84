"""Training patterns that parts of the detector are missing from: no network then leans on one part alone."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

LIVE = torch.tensor(
    [
        *([1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]),
        *([1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]),
        *([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]),
    ]
).reshape(12, 1, 2, 2)
"""Quadrants that are left (parts, 1, y, x): a quarter is missing, half, or three quarters, at each of four turns."""


def without_parts(images: Tensor, share: float) -> Tensor:
    """Images (n, ny, nx) float32 as they are, or, with probability `share` each, with one of twelve parts at 0.

    So a dead pixel reads. Which, torch's generator on the CPU says, whatever device the images are on.
    """
    n, ny, nx = images.shape
    live = torch.where(torch.rand(n, 1, 1, 1) < share, LIVE[torch.randint(len(LIVE), (n,))], 1)
    return images.float() * interpolate(live.float(), (ny, nx))[:, 0].to(images.device)
