"""The poster's augmentation: each pattern flipped, turned and scaled, always in the same way.

Flips along x and along y with probability 1/2 each, a rotation by 0-360° and a scale of 0.9-1.1, which stands for
another detector distance or wavelength. All follow from the pattern's seed, as when the poster's set was built once.

A pattern is interpolated between its pixels, bilinearly, and is 0 outside of them. Photon counts are then counts no
longer: their noise is smoothed (4/9 of its variance is left on the mean over places between four pixels).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from frames.rng import uniforms

SCALES = 0.9, 1.1


class Transforms(NamedTuple):
    """What is done to each of n patterns, in this order."""

    flip_x: NDArray[np.bool_]
    """(n,) the first column becomes the last"""
    flip_y: NDArray[np.bool_]
    """(n,) the first row becomes the last"""
    scale: NDArray[np.float64]
    """(n,) how much larger all becomes, from the middle of the image"""
    angle: NDArray[np.float64]
    """(n,) [rad] about the middle, from x towards y"""


def draw(seeds: NDArray[np.uint64]) -> Transforms:
    """The transforms of patterns with these seeds (n,)."""
    turn, x, y, size = uniforms(seeds, "augment", 4).T
    return Transforms(x < 0.5, y < 0.5, SCALES[0] + (SCALES[1] - SCALES[0]) * size, 2 * np.pi * turn)


def transformed(images: Tensor, transforms: Transforms) -> Tensor:
    """Images (n, ny, nx) float, each transformed as it says, on their device.

    Values stay, so the sum over a pattern grows by scale²: another wavelength at the same fluence.

    Raises
    ------
    TypeError where images are not floating: counts between pixels are not whole.
    """
    if not images.is_floating_point():
        raise TypeError(f"images are {images.dtype}; make them float first, interpolated counts are not whole")

    def of_each(values: NDArray) -> Tensor:
        return torch.as_tensor(values)[:, None, None]

    images = torch.where(of_each(transforms.flip_x).to(images.device), images.flip(2), images)
    images = torch.where(of_each(transforms.flip_y).to(images.device), images.flip(1), images)
    # Where each pixel of the result lies in the image, from its middle [pixels]: turned and scaled back.
    cos, sin = (of_each(turn(transforms.angle) / transforms.scale).to(images) for turn in (np.cos, np.sin))
    ny, nx = images.shape[1:]
    y, x = ((torch.arange(n) - (n - 1) / 2).to(images) for n in (ny, nx))
    x, y = x[None, None, :], y[None, :, None]
    # grid_sample, bilinear and 0 outside unless told otherwise, has its edges at -1 and 1 where outermost pixels end.
    places = torch.stack([(cos * x + sin * y) * (2 / nx), (cos * y - sin * x) * (2 / ny)], dim=-1)
    return grid_sample(images[:, None], places, align_corners=False)[:, 0]


def augment(images: Tensor, seeds: NDArray[np.uint64]) -> Tensor:
    """Images (n, ny, nx) float of patterns with these seeds (n,), augmented on their device; see `transformed`."""
    return transformed(images, draw(seeds))
