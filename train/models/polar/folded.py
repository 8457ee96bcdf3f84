"""Ours: rings and angles, opposite places as one, photons of every ring.

What `polar` does (train/models/polar/polar.py), and two things more:

- A density is real, so |F(q)| = |F(-q)| (Friedel's law), and the Ewald sphere is nearly flat here: between q and the
  place opposite q, the phase of atoms 20 nm apart along the beam differs by a fifteenth of a cycle 16 pixels from the
  middle and by a quarter at 32. Each place and the opposite one are added: two readings of nearly one intensity are
  worth twice the photons, half of the angles are half of the arithmetic, and the last layers see whole rings.
- Beyond 32 pixels photons are few, but they tell similar structures apart. There rings are two pixels wide and made
  from means over 2 x 2 pixels, whose places lie close enough that no photon falls between them.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit
from train.models.polar.polar import (
    N_ANGLES,
    N_HALVINGS,
    N_HIDDEN,
    N_RINGS,
    STEPS,
    WIDTH,
    Around,
    Block,
    MapNorm,
    Residual,
    counted,
    dense,
    over_angles,
    stages,
)
from train.models.polar.rings import RingMoments, polar_places, reach


class Folded(nn.Module):
    """Residual convolutions on all rings x 64 angles, 48 rings of 128 x 128 photons, as they are read.

    The defaults are `folded`; train/models/polar/ablations.py has others.
    """

    inner: Tensor
    outer: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        n_pixels: int = IMAGE_SIZE,
        *,
        adds_opposite: bool = True,
        n_outer: int | None = None,
        steps: Sequence[float] = STEPS,
        norm: Callable[[int, int], nn.Module] = MapNorm,
        width: int = WIDTH,
        kernel: int = 3,
        block: Block = Residual,
        dropout: float = 0.0,  # fresh patterns cannot be learned by heart
    ):
        super().__init__()
        self.adds_opposite, self.steps = adds_opposite, tuple(steps)
        self.n_pixels = n_pixels
        half, first = n_pixels // 4, N_RINGS // 2  # pixels of 2 x 2: to the edge, and to where the outer rings begin
        n_outer = half - first if n_outer is None else n_outer
        n_maps, n_rings = len(steps) + 1, N_RINGS + n_outer
        self.moments = RingMoments(n_pixels)
        self.register_buffer("inner", polar_places(range(N_RINGS), N_ANGLES, reach(N_RINGS)), persistent=False)
        self.register_buffer("outer", polar_places(range(first, first + n_outer), N_ANGLES, half), persistent=False)
        self.norm = norm(n_maps, n_rings)
        self.layers = stages(n_maps, width, kernel, Around, block)
        n_last = (width << N_HALVINGS - 1) * (n_rings >> N_HALVINGS)
        self.dense = dense(2 * n_last + n_maps * n_rings + 2 * self.moments.n_rings, dropout)
        self.heads = Heads(N_HIDDEN, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, n_pixels, n_pixels) float32; ValueError for any other size."""
        must_fit(images, self.n_pixels)
        edge = self.n_pixels // 2 - reach(N_RINGS)
        pixels = counted(images, self.steps)
        middle = pixels[:, :, edge : self.n_pixels - edge, edge : self.n_pixels - edge]
        n = images.shape[0]  # len() would be a constant of an exported network
        around = grid_sample(middle, self.inner.expand(n, -1, -1, -1), align_corners=False)
        if len(self.outer):
            outer = grid_sample(by_twos(pixels), self.outer.expand(n, -1, -1, -1), align_corners=False)
            around = torch.cat((around, outer), 2)
        if self.adds_opposite:
            around = around[..., : N_ANGLES // 2] + around[..., N_ANGLES // 2 :]
        rings = self.norm(around)  # (B, maps, rings, angles)
        maps = self.layers(rings.contiguous(memory_format=torch.channels_last)).float()  # (B, C, rings / 8, angles / 8)
        features = (*over_angles(maps), rings.mean(3).flatten(1), self.moments(images))
        return self.heads(self.dense(torch.cat(features, 1)))


def by_twos(maps: Tensor) -> Tensor:
    """Means over 2 x 2 pixels; torch's `avg_pool2d` takes three times as long."""
    rows = maps[:, :, ::2] + maps[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def folded(sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE) -> Folded:
    """Our network."""
    return Folded(sizes, n_pixels)
