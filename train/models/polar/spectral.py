"""What spectral clustering sees, and a small perceptron that learns from it: how strongly rings vary around themselves.

Fourier amplitudes of the photons in polar bins, their square roots, each pattern's to zero mean and unit variance: so
evaluate/baselines/spectral_clustering.py describes a pattern after Yoon 2011. A turn about the beam and the fluence
leave them as they are. Convolutions see what lies where and are right where a part of the detector is missing; these
amplitudes are sums over whole rings, and are right about proteins that look like nothing seen before. Beside each other
(train/inference/shipped.py, `beside`) they are better than either.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit
from train.models.polar.polar import BoundedNorm

N_RINGS, N_ANGLES, N_ORDERS = 24, 48, 13
"""Polar bins of a pattern, and Fourier orders around a ring, from 0: as in spectral clustering"""
FLOOR = 0.01
"""Of squared amplitudes [photons²]: the root of what is rounding alone would be none."""
WIDTHS = 128, 64
DROPOUT = 0.2


class RingOrders(nn.Module):
    """Images (B, 1, ny, nx) to (B, N_RINGS N_ORDERS + 1): the amplitudes, and asinh of all photons."""

    pixels: Tensor
    """(bins, K) pixels of each bin; where it has fewer than K, one that is dark"""
    waves: Tensor
    """(N_ANGLES, 2 N_ORDERS) cosines and sines"""

    def __init__(self, n_pixels: int = IMAGE_SIZE):
        super().__init__()
        self.register_buffer("pixels", _bins(n_pixels), persistent=False)
        angle = 2 * math.pi / N_ANGLES * torch.outer(torch.arange(N_ANGLES), torch.arange(N_ORDERS))
        self.register_buffer("waves", torch.cat((angle.cos(), angle.sin()), 1), persistent=False)
        self.n_features = N_RINGS * N_ORDERS + 1

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.flatten(1)
        with torch.autocast(images.device.type, enabled=False):  # sums of photons need more digits
            dark = torch.zeros_like(pixels[:, :1])
            gathered = torch.cat((pixels, dark), 1)[:, self.pixels.flatten()]
            polar = gathered.unflatten(1, (N_RINGS, N_ANGLES, -1)).sum(3)  # (B, rings, angles)
            parts = polar @ self.waves
            squared = parts[..., :N_ORDERS].square() + parts[..., N_ORDERS:].square()
            roots = (squared + FLOOR).sqrt().sqrt().flatten(1)
            apart = roots - roots.mean(1, keepdim=True)
            deviation = apart.square().mean(1, keepdim=True).sqrt()
            brightness = torch.asinh(pixels.sum(1, keepdim=True))
            return torch.cat((apart / deviation.clamp(min=1e-3), brightness), 1)


class Spectral(nn.Module):
    """Two hidden layers on the amplitudes of 128 x 128 photons, as they are read."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        self.orders = RingOrders()
        self.layers = nn.Sequential(
            BoundedNorm(self.orders.n_features),
            nn.Linear(self.orders.n_features, WIDTHS[0]),
            nn.ReLU(inplace=True),
            nn.Dropout(DROPOUT),
            nn.Linear(*WIDTHS),
            nn.ReLU(inplace=True),
        )
        self.heads = Heads(WIDTHS[1], sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, 128, 128) float32; ValueError for any other size."""
        must_fit(images)
        return self.heads(self.layers(self.orders(images)))


def _bins(n_pixels: int) -> Tensor:
    """(N_RINGS N_ANGLES, K) numbers of the pixels in each polar bin, ring by ring, filled up with n_pixels²."""
    along = torch.arange(n_pixels, dtype=torch.float64) - (n_pixels - 1) / 2
    y, x = along[:, None], along[None, :]
    ring = (2 * N_RINGS * torch.hypot(x, y) / n_pixels).long().flatten()
    angle = ((torch.atan2(y, x.expand(n_pixels, -1)) / (2 * math.pi) + 0.5) * N_ANGLES).long().flatten() % N_ANGLES
    members: list[list[int]] = [[] for _ in range(N_RINGS * N_ANGLES)]
    for pixel, (r, a) in enumerate(zip(ring.tolist(), angle.tolist(), strict=True)):
        if r < N_RINGS:
            members[r * N_ANGLES + a].append(pixel)
    most = max(map(len, members))
    return torch.tensor([[*some, *[n_pixels**2] * (most - len(some))] for some in members])


def spectral(sizes: Mapping[str, int]) -> Spectral:
    """The amplitudes and a perceptron."""
    return Spectral(sizes)
