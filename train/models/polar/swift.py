"""A network for one core: `folded`, resampled once instead of six times, and one block of convolutions fewer.

Two thirds of the time of `folded` (train/models/polar/folded.py) go into six maps of every pixel, each brought onto
rings by itself, and into means over rings. Here:

- A pixel reads photons p as p s(p), s a soft step: one photon and none are told apart where they lie, before anything
  is averaged, as there. Negative readings and small noise come to nothing.
- These are added to those opposite, then brought onto the same rings and angles. Bilinear sampling is linear: to add
  first is the same to rounding, at half of the places.
- The six maps are functions of the photons S of a place, of which there are a fifth as many as pixels: five steps
  S^p / (S^p + c^p) with learned p and c, and log(1 + S). In a pattern they say what the maps of `folded` say: of 200
  patterns these are functions of S to 96 to 99 % of their variance on the inner rings and 83 to 97 on the outer.
- Mean and variance around each ring are those of the places.
- No block of convolutions on the largest maps.

All layers that it shares with `folded` are called alike and have the same shape, so that it can start with the weights
of one that it is distilled from (`starts_as_teacher` in train/config/recipe.py). With 8-bit weights and maps it makes
more frames a second than the European XFEL (docs/systems/networks.md).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit
from train.models.polar.polar import (
    N_ANGLES,
    N_HALVINGS,
    N_HIDDEN,
    N_RINGS,
    STEEPNESS,
    WIDTH,
    Around,
    MapNorm,
    Residual,
    dense,
    over_angles,
    stages,
)
from train.models.polar.rings import RingMoments, polar_places, reach

SEEN = 0.6
"""[photons] where half of a pixel's reading counts: 4 standard deviations of a Gaussian noise of 0.15"""
NONE = 0.05
"""[photons] added before the logarithm of a place"""
POWERS = (1.35, 1.4, 1.7, 2.0, 2.2)
"""p of the steps at first"""
HALVES = (0.9, 1.5, 2.3, 2.9, 3.4)
"""c of the steps at first [photons]: what the mean of each soft step of `folded` is like as a function of S"""


class Swift(nn.Module):
    """Residual convolutions on rings x 64 angles, 48 rings of 128 x 128 photons, as they are read."""

    inner: Tensor
    outer: Tensor

    def __init__(self, sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE, *, first_block: bool = False):
        super().__init__()
        self.n_pixels = n_pixels
        half, first = n_pixels // 4, N_RINGS // 2  # pixels of 2 x 2: to the edge, and to where the outer rings begin
        n_maps, n_rings, n_folded = len(POWERS) + 1, N_RINGS + half - first, N_ANGLES // 2
        inner = polar_places(range(N_RINGS), N_ANGLES, reach(N_RINGS))
        outer = polar_places(range(first, half), N_ANGLES, half)
        self.register_buffer("inner", inner[:, :, :n_folded].contiguous(), persistent=False)
        self.register_buffer("outer", outer[:, :, :n_folded].contiguous(), persistent=False)
        powers = torch.tensor(POWERS)[None, :, None, None]
        self.powers = nn.Parameter(powers)
        self.offsets = nn.Parameter(powers * torch.tensor(HALVES)[None, :, None, None].log())
        self.norm = MapNorm(n_maps, n_rings)
        self.layers = stages(n_maps, WIDTH, 3, Around, Residual)
        if not first_block:
            self.layers[2] = nn.Identity()  # the others keep their names
        n_last = (WIDTH << N_HALVINGS - 1) * (n_rings >> N_HALVINGS)
        self.dense = dense(2 * n_last + n_maps * n_rings + n_pixels, 0.0)
        self.heads = Heads(N_HIDDEN, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, n_pixels, n_pixels) float32; ValueError for any other size."""
        must_fit(images, self.n_pixels)
        with torch.autocast(images.device.type, enabled=False):  # in bfloat16 a variance would be rounding
            photons = self.places(images)
            moments = of_rings(photons)
            steps = (self.powers * (photons + NONE).log() - self.offsets).sigmoid()
            rings = self.norm(torch.cat((steps, (photons + 1).log()), 1))  # (B, maps, rings, angles)
        maps = self.layers(rings.contiguous(memory_format=torch.channels_last)).float()
        features = (*over_angles(maps), rings.mean(3).flatten(1), moments)
        return self.heads(self.dense(torch.cat(features, 1)))

    def places(self, images: Tensor) -> Tensor:
        """(B, 1, rings, angles) photons of each place and the one opposite, of images (B, 1, ny, nx): as many as in
        two pixels, on the outer rings of means over 2 x 2."""
        images = images.transpose(0, 1)  # (1, B, ny, nx): onnxruntime then works out the places once for all images
        photons = images * (STEEPNESS * images - STEEPNESS * SEEN).sigmoid()
        edge = self.n_pixels // 2 - reach(N_RINGS)
        middle = photons[:, :, edge : self.n_pixels - edge, edge : self.n_pixels - edge]
        inner = grid_sample(with_opposite(middle), self.inner, align_corners=False)
        outer = grid_sample(with_opposite(avg_pool2d(photons, 2)), self.outer, align_corners=False)
        return torch.cat((inner, outer), 2).transpose(0, 1).relu()


def of_rings(photons: Tensor) -> Tensor:
    """(B, 2 n): logarithms of mean and variance around each of n rings one pixel wide, (B, 1, rings, angles) photons of
    two pixels each; the outer rings are two wide and stand twice. On the scale of train/models/polar/rings.py."""
    pixel = photons / 2
    mean = pixel.mean(3, keepdim=True)
    variance = (pixel - mean).square().mean(3, keepdim=True)  # the mean of squares, less a square, would be rounding
    n_outer = photons.shape[2] - N_RINGS
    rings = [*range(N_RINGS), *(N_RINGS + ring // 2 for ring in range(2 * n_outer))]
    scaled = RingMoments.SCALE * torch.cat((mean, variance), 1)[:, :, rings].flatten(1)
    return (scaled + (scaled.square() + 1).sqrt()).log()  # asinh of what is not negative


def with_opposite(maps: Tensor) -> Tensor:
    """Maps (..., ny, nx), each pixel with the one opposite added."""
    return maps + maps.flip((2, 3))


def swift(sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE) -> Swift:
    """Ours for one core."""
    return Swift(sizes, n_pixels)
