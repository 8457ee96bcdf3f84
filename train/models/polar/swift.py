"""A network for one core: what `folded` sees, resampled once instead of six times, under a shorter stack of layers.

Two thirds of the time of `folded` (train/models/polar/folded.py) go into six maps of every pixel, each brought onto
rings by itself. Here one is:

- Each pixel is read as photons p s(p), s a soft step: one photon and none are told apart where they lie, before
  anything is averaged, as there. Negative readings and small noise come to nothing.
- These are added to those opposite, and brought onto the same rings and 64 angles. Bilinear sampling is linear: to
  add first is the same to rounding, at half of the places.
- The six maps, soft steps and a logarithm, are of the photons of a place, of which there are a fifth as many as pixels.
- The first layer takes patches of 4 x 4 places; residual convolutions follow, angles going around.
- Mean and variance around each ring are those of the places.

With 8-bit weights and maps it makes more frames a second than the European XFEL (docs/networks.md); made to be
distilled from a `folded`.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit
from train.models.polar.polar import (
    N_ANGLES,
    N_HIDDEN,
    N_RINGS,
    STEEPNESS,
    STEPS,
    Around,
    MapNorm,
    Residual,
    dense,
    over_angles,
)
from train.models.polar.rings import polar_places, reach

SEEN = 0.6
"""[photons] where half of a pixel's reading counts as photons: 4 standard deviations of a Gaussian noise of 0.15"""
PATCH = 4
"""Rings and angles of a place of the first layer"""
WIDTHS = 32, 64
"""Maps of each stage; the second has half of the rings and of the angles"""
SCALE = 20.0
"""as of train/models/polar/rings.py"""


class Swift(nn.Module):
    """Residual convolutions on rings x 64 angles, 48 rings of 128 x 128 photons, as they are read.

    Parameters
    ----------
    widths : maps of each stage, each a convolution (of patches; then over every second place) and a residual block.
    patch :  rings and angles that the first layer takes together.
    """

    inner: Tensor
    outer: Tensor
    steps: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        n_pixels: int = IMAGE_SIZE,
        *,
        widths: Sequence[int] = WIDTHS,
        patch: int = PATCH,
        steps: Sequence[float] = STEPS,
    ):
        super().__init__()
        self.n_pixels = n_pixels
        half, first = n_pixels // 4, N_RINGS // 2  # pixels of 2 x 2: to the edge, and to where the outer rings begin
        n_maps, n_rings = len(steps) + 1, N_RINGS + half - first
        n_folded = N_ANGLES // 2
        inner = polar_places(range(N_RINGS), N_ANGLES, reach(N_RINGS))
        outer = polar_places(range(first, half), N_ANGLES, half)
        self.register_buffer("inner", inner[:, :, :n_folded].contiguous(), persistent=False)
        self.register_buffer("outer", outer[:, :, :n_folded].contiguous(), persistent=False)
        self.register_buffer("steps", torch.tensor(steps)[None, :, None, None], persistent=False)
        self.norm = MapNorm(n_maps, n_rings)
        layers: list[nn.Module] = [nn.Conv2d(n_maps, widths[0], patch, patch, bias=False), nn.BatchNorm2d(widths[0])]
        layers += [nn.ReLU(inplace=True), Residual(widths[0], 3, Around)]
        for before, width in pairwise(widths):
            layers += [Around(before, width, 3, 2), nn.ReLU(inplace=True), Residual(width, 3, Around)]
        self.layers = nn.Sequential(*layers)
        n_left = n_rings // patch
        for _ in widths[1:]:
            n_left = -(-n_left // 2)
        self.dense = dense(2 * widths[-1] * n_left + n_maps * n_rings + 2 * n_rings, 0.0)
        self.heads = Heads(N_HIDDEN, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, n_pixels, n_pixels) float32; ValueError for any other size."""
        must_fit(images, self.n_pixels)
        photons = self.places(images)
        with torch.autocast(images.device.type, enabled=False):
            mean, square = photons.mean(3), photons.square().mean(3)
            moments = torch.cat((mean, (square - mean.square()).clamp(min=0)), 2).flatten(1)
            steps = (STEEPNESS * (photons - self.steps)).sigmoid()
            rings = self.norm(torch.cat((steps, (photons.relu() + 1).log()), 1))  # (B, maps, rings, angles)
        maps = self.layers(rings.contiguous(memory_format=torch.channels_last)).float()
        features = (*over_angles(maps), rings.mean(3).flatten(1), (SCALE * moments + 1).log())
        return self.heads(self.dense(torch.cat(features, 1)))

    def places(self, images: Tensor) -> Tensor:
        """(B, 1, rings, angles) photons of each place and the one opposite, of images (B, 1, ny, nx).

        Of the inner rings as many as in two pixels, of the outer, two pixels wide, as in eight.
        """
        photons = (images * (STEEPNESS * (images - SEEN)).sigmoid()).transpose(
            0, 1
        )  # (1, B, ny, nx): one table for all
        edge = self.n_pixels // 2 - reach(N_RINGS)
        middle = photons[:, :, edge : self.n_pixels - edge, edge : self.n_pixels - edge]
        inner = grid_sample(with_opposite(middle), self.inner, align_corners=False)
        outer = grid_sample(with_opposite(4 * avg_pool2d(photons, 2)), self.outer, align_corners=False)
        return torch.cat((inner, outer), 2).transpose(0, 1)


def with_opposite(maps: Tensor) -> Tensor:
    """Maps (..., ny, nx), each pixel with the one opposite added."""
    return maps + maps.flatten(2).flip(2).unflatten(2, maps.shape[2:])


def swift(sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE) -> Swift:
    """Ours for one core."""
    return Swift(sizes, n_pixels)
