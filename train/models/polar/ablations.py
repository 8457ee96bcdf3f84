"""`folded` with one thing changed, to measure what that thing is worth (config/ablation.yaml)."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit
from train.models.polar.folded import Folded
from train.models.polar.polar import (
    DROPOUT,
    N_HALVINGS,
    N_HIDDEN,
    N_RINGS,
    STEPS,
    WIDTH,
    Residual,
    RingNorm,
    Unit,
    counted,
    dense,
    stages,
)
from train.models.polar.rings import RingMoments

SIDE = 2 * N_RINGS
"""Pixels of the middle of an image: as many as our network has places on rings"""


class Plain(nn.Module):
    """Two convolutions without an identity beside them."""

    def __init__(self, width: int, kernel: int, unit: Unit):
        super().__init__()
        self.first, self.second = unit(width, width, kernel, 1), unit(width, width, kernel, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return relu(self.second(relu(self.first(maps))))


class Flat(nn.Module):
    """A normalised convolution over pixels, zeros around them."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int):
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(self.convolution(maps))


class Cartesian(nn.Module):
    """The same maps, layers and head on the middle SIDE x SIDE pixels, each pixel of each map normalised by itself."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        n_maps = len(STEPS) + 1
        self.moments = RingMoments(IMAGE_SIZE)
        self.pixel_norm = RingNorm(n_maps, SIDE**2)
        self.layers = stages(n_maps, WIDTH, 3, Flat, Residual)
        self.dense = dense((WIDTH << N_HALVINGS - 1) * (SIDE >> N_HALVINGS) ** 2 + 2 * self.moments.n_rings)
        self.heads = Heads(N_HIDDEN, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, 128, 128) float32; ValueError for any other size."""
        must_fit(images)
        edge = (IMAGE_SIZE - SIDE) // 2
        maps = counted(images[:, :, edge : edge + SIDE, edge : edge + SIDE])
        maps = self.pixel_norm(maps.flatten(2)[..., None]).unflatten(2, (SIDE, SIDE))[..., 0]
        maps = self.layers(maps.contiguous(memory_format=torch.channels_last)).float()
        return self.heads(self.dense(torch.cat((maps.flatten(1), self.moments(images)), 1)))


def cartesian(sizes: Mapping[str, int]) -> Cartesian:
    """On pixels, not on rings and angles."""
    return Cartesian(sizes)


folded_apart = partial(Folded, adds_opposite=False)
"""Opposite places not added: twice the angles."""

folded_inner = partial(Folded, n_outer=0)
"""Without the rings beyond 32 pixels."""

folded_asinh = partial(Folded, steps=())
"""Without the soft steps."""

folded_ring_norm = partial(Folded, norm=RingNorm)
"""Each ring of each map normalised by itself."""

folded_plain = partial(Folded, block=Plain)
"""Without the identities of its residual blocks."""

folded_kernel5 = partial(Folded, kernel=5)
"""Kernels of 5 for 3."""

folded_wide = partial(Folded, width=2 * WIDTH)
"""Twice the maps."""

folded_dropout = partial(Folded, dropout=DROPOUT)
"""A tenth of the features, and of the last layer, dropped in training."""
