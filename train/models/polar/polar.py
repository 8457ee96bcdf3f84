"""Convolutions on rings and angles, where a turned pattern is a shifted one and every answer is the same.

A pattern of a particle turned about the beam is the pattern turned (but for polarisation), so a network should not have
to learn each turn. Sampled on rings and angles, with convolutions that go around, and averaged over angles at the end,
it does not. Three more things that the poster's networks lack:

- Pixels pass through nonlinearities of their own before anything is averaged: where a detector's Gaussian noise exceeds
  the photons in a pixel, "one photon" and "none" have to be told apart there or never.
- Each ring of each map is normalised by itself (`RingNorm`), since photons fall by five orders of magnitude from the
  innermost to the outermost.
- The inner 32 rings, which hold nearly all photons and every fringe, are convolved; of all 64 the mean and variance
  are added at the end, with the fluence in them. A larger image has more of those; its inner rings stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, relu

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit
from train.models.polar.rings import RingMoments, polar_places, reach

N_RINGS = 32
N_ANGLES = 128
STEPS = (0.4, 0.725, 1.05, 1.375, 1.7)
"""[photons]"""
STEEPNESS = 6.0
"""of the steps [1/photon]: as wide as they are apart, and as a Gaussian noise of 0.3"""
WIDTH = 16
"""Maps at first; each halving of rings and angles doubles them"""
N_HALVINGS = 3
N_HIDDEN = 256
DROPOUT = 0.1
LARGEST = 10.0
"""Standard deviations of the training patterns by which a feature may stand out. Where rings are bright, soft steps
are nearly 1 everywhere: the one pattern in a hundred whose ring is dark in places stood out by up to 1,300, and its
answer was certain, and wrong"""

Unit = Callable[[int, int, int, int], nn.Module]
"""maps in, maps out, kernel, stride -> a convolution, normalised"""
Block = Callable[[int, int, Unit], nn.Module]
"""maps, kernel, convolution -> what keeps the maps' number and sides"""


class Wrapped(torch.autograd.Function):
    """Maps (B, C, rings, angles), a margin of angles from the other end at either side.

    As `torch.nn.functional.pad(maps, (margin, margin), "circular")`, whose gradient is not channels last: every layer
    before it would run on transposed maps, and a training step take half as long again.
    """

    @staticmethod
    def forward(maps: Tensor, margin: int) -> Tensor:
        return torch.cat((maps[..., -margin:], maps, maps[..., :margin]), 3)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.margin = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        margin = ctx.margin
        of_maps = gradient[..., margin:-margin].clone(memory_format=torch.channels_last)
        of_maps[..., -margin:] += gradient[..., :margin]
        of_maps[..., :margin] += gradient[..., -margin:]
        return of_maps, None


class Around(nn.Module):
    """A convolution over rings (B, C, rings, angles) that goes around in the angles, normalised."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 3, stride: int = 1):
        super().__init__()
        self.margin = kernel // 2
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride, padding=(self.margin, 0), bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(self.convolution(Wrapped.apply(maps, self.margin)))


class Residual(nn.Module):
    """Two convolutions beside an identity; He et al., Deep Residual Learning (2016), fig. 2."""

    def __init__(self, width: int, kernel: int, unit: Unit):
        super().__init__()
        self.first, self.second = unit(width, width, kernel, 1), unit(width, width, kernel, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return relu(maps + self.second(relu(self.first(maps))))


class MapNorm(nn.Module):
    """All rings of a map to zero mean and unit variance together."""

    def __init__(self, n_maps: int, n_rings: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(n_maps)

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(maps)


class RingNorm(nn.Module):
    """Each ring of each map to zero mean and unit variance over batch and angles."""

    def __init__(self, n_maps: int, n_rings: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_maps * n_rings)

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(maps.flatten(1, 2)).unflatten(1, maps.shape[1:3])


def counted(images: Tensor, steps: Sequence[float] = STEPS) -> Tensor:
    """Images (B, 1, ny, nx) photons as maps (B, steps + 1, ny, nx): soft steps, "more than so many?", and their asinh.

    The steps lie where one photon and none are told apart; any smooth function of a pixel is close to a sum of them.
    """
    # asinh, odd, of the size alone: a frame may read far below zero. torch's takes as long as a convolution.
    asinh = images.sign() * (images.abs() + (images.square() + 1).sqrt()).log()
    return torch.cat((*[(STEEPNESS * (images - step)).sigmoid() for step in steps], asinh), 1)


def stages(n_maps: int, width: int, kernel: int, unit: Unit, block: Block) -> nn.Sequential:
    """Convolutions that halve the maps' sides and double their number, N_HALVINGS times, each with a block after it."""
    layers: list[nn.Module] = [unit(n_maps, width, 5, 2), nn.ReLU(inplace=True), block(width, kernel, unit)]
    for _ in range(N_HALVINGS - 1):
        layers += [unit(width, 2 * width, kernel, 2), nn.ReLU(inplace=True), block(2 * width, kernel, unit)]
        width *= 2
    return nn.Sequential(*layers)


class BoundedNorm(nn.BatchNorm1d):
    """Features (B, n) to zero mean and unit variance, none farther from the mean than `LARGEST`."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features).clamp(-LARGEST, LARGEST)


def dense(n_features: int, dropout: float = DROPOUT) -> nn.Sequential:
    """From features of any scale to N_HIDDEN."""
    return nn.Sequential(
        BoundedNorm(n_features),
        nn.Dropout(dropout),
        nn.Linear(n_features, N_HIDDEN),
        nn.BatchNorm1d(N_HIDDEN),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
    )


def over_angles(maps: Tensor) -> list[Tensor]:
    """Mean and spread of maps (B, C, rings, angles) over the angles, (B, C rings) each."""
    mean = maps.mean(3)
    spread = ((maps - mean[..., None]).square().mean(3) + 1e-4).sqrt()  # of zero it would have no gradient
    return [mean.flatten(1), spread.flatten(1)]


class Polar(nn.Module):
    """Residual convolutions on the inner 32 rings x 128 angles of images of photons, as they are read."""

    places: Tensor

    def __init__(self, sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE):
        super().__init__()
        self.n_pixels = n_pixels
        n_maps = len(STEPS) + 1
        self.moments = RingMoments(n_pixels)
        self.register_buffer("places", polar_places(range(N_RINGS), N_ANGLES, reach(N_RINGS)), persistent=False)
        self.ring_norm = RingNorm(n_maps, N_RINGS)
        self.layers = stages(n_maps, WIDTH, 3, Around, Residual)
        n_last = (WIDTH << N_HALVINGS - 1) * (N_RINGS >> N_HALVINGS)
        self.dense = dense(2 * n_last + n_maps * N_RINGS + 2 * self.moments.n_rings)
        self.heads = Heads(N_HIDDEN, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, n_pixels, n_pixels) float32; ValueError for any other size."""
        must_fit(images, self.n_pixels)
        edge = self.n_pixels // 2 - reach(N_RINGS)
        middle = images[:, :, edge : self.n_pixels - edge, edge : self.n_pixels - edge]
        places = self.places.expand(images.shape[0], -1, -1, -1)  # len() would be a constant of an exported network
        rings = self.ring_norm(grid_sample(counted(middle), places, align_corners=False))  # (B, maps, rings, angles)
        maps = self.layers(rings.contiguous(memory_format=torch.channels_last)).float()  # (B, C, rings / 8, angles / 8)
        features = (*over_angles(maps), rings.mean(3).flatten(1), self.moments(images))
        return self.heads(self.dense(torch.cat(features, 1)))


def polar(sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE) -> Polar:
    """The network of twins; `folded` is better still."""
    return Polar(sizes, n_pixels)
