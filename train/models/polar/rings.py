"""Images by rings around the beam, which meets their middle: a particle is as likely at any turn about it."""

import math

import torch
from torch import Tensor, nn


class RingMoments(nn.Module):
    """Mean and variance of the pixels in each ring, one pixel wide, on a scale that holds photons from 10⁻² to 10⁵.

    What is left of a pattern when its angles are forgotten: the mean is the form factor, the variance the contrast of
    the speckle, which falls where the fringes of several particles add up.
    """

    SCALE = 20.0
    """asinh(20 x) is linear below a twentieth of a photon, where noise decides, and logarithmic above"""
    average: Tensor
    """(ny nx, n_rings) share of each pixel in the mean over a ring"""

    def __init__(self, image_size: int):
        super().__init__()
        self.n_rings = image_size // 2
        ring = _radii(image_size).long().flatten()  # (ny nx,)
        member = torch.zeros(image_size**2, self.n_rings)
        inside = torch.nonzero(ring < self.n_rings)[:, 0]  # the corners belong to no whole ring
        member[inside, ring[inside]] = 1.0
        self.register_buffer("average", member / member.sum(0), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 2 n_rings): asinh of 20 times the means, then of 20 times the variances, of images (B, 1, ny, nx)."""
        pixels = images.flatten(1)
        with torch.autocast(images.device.type, enabled=False):  # in bfloat16 the difference would be rounding
            mean = pixels @ self.average
            variance = (pixels.square() @ self.average - mean.square()).clamp(min=0)
        return torch.asinh(self.SCALE * torch.cat((mean, variance), 1))


def polar_places(rings: range, n_angles: int, half: int) -> Tensor:
    """(1, rings, n_angles, 2) places x, y for `grid_sample` in an image of 2 half x 2 half pixels.

    Ring k lies k + 1/2 pixels from the middle; angles start at x and turn towards y.
    """
    radius = (torch.tensor(rings) + 0.5) / half
    angle = torch.arange(n_angles) * (2 * math.pi / n_angles)
    return torch.stack((radius[:, None] * angle.cos(), radius[:, None] * angle.sin()), dim=-1)[None]


def reach(n_rings: int) -> int:
    """Pixels from the middle to the edge of the image that n rings are sampled from, neighbours included."""
    return n_rings + 1


def _radii(image_size: int) -> Tensor:
    """(ny, nx) of the pixels' centres from the middle [pixels]."""
    along = torch.arange(image_size) - (image_size - 1) / 2
    return torch.hypot(along[:, None], along[None, :])
