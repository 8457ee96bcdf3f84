"""Single hit or not, from rings and angles: small, for a hundred labels; the same whatever the turn about the beam."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

WIDTH = 16
"""Maps of the first layer; twice as many from the second on."""


class Around(nn.Module):
    """Normalised convolution of 3 x 3: (B, c, rings, angles), angles going round, rings shrunk to a half."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, (2, 1), bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, maps: Tensor) -> Tensor:
        """As the class says."""
        return relu(self.norm(self.convolution(pad(pad(maps, (1, 1, 0, 0), "circular"), (0, 0, 1, 1)))))


class PolarPattern(nn.Module):
    """Patterns above their live shares, (B, 1, 2 rings, angles) float32 -> (B,) log-odds that one particle was hit.

    Convolutions go round; what is left of the angles at the end is their mean and their maximum, so a turn by a whole
    bin changes nothing. Each ring knows its number.
    """

    def __init__(self, n_rings: int, width: int = WIDTH, dropout: float = 0.3):
        super().__init__()
        self.n_rings = n_rings
        widths = (3, width, 2 * width, 2 * width)
        self.layers = nn.Sequential(*(Around(n, m) for n, m in pairwise(widths)))
        left = n_rings
        for _ in widths[1:]:
            left = -(-left // 2)
        self.last = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * width * left, 1))

    def forward(self, images: Tensor) -> Tensor:
        """As the class says; ValueError for another number of rings."""
        if images.shape[2] != 2 * self.n_rings:
            raise ValueError(
                f"images have {images.shape[2]} rows, expected {self.n_rings} rings and as many live shares"
            )
        pattern, live = images[:, :, : self.n_rings], images[:, :, self.n_rings :]
        number = torch.linspace(-1, 1, self.n_rings, device=images.device)[:, None].expand_as(pattern)
        maps = self.layers(torch.cat((pattern, live, number), 1))
        return self.last(torch.cat((maps.mean(3), maps.amax(3)), 1).flatten(1))[:, 0]
