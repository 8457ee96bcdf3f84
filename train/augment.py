"""Patterns flipped, rotated and scaled, each always in the same way: it follows from the pattern's seed alone.

`poster`: flips along x and along y with probability 1/2 each, a rotation by 0-360° and a scale of 0.9-1.1, applied once
to every pattern, as when the poster's set was built. The scale stands for another detector distance or wavelength.

`rotate`: the rotation alone, of what lies in the image's inscribed disc (`inscribed_disc`), and 0 outside of it. A
particle is as likely at any turn about the beam, so this is physics, but for the polarisation: it differs between x and
y by sin²θ, 1.4 % at the rim of the default experiment's disc (2.8 % in the corners). Where the beam meets the middle of
the image, and mask and gaps do not tell how a pattern was turned. A network trained so must be asked with the same
disc, or the dark corners are what it has learned.

A pattern is interpolated between its pixels, bilinearly, and is 0 outside of them. Photon counts are then counts no
longer: their noise is smoothed (4/9 of its variance is left on the mean over places between four pixels).
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from simulate.randomness import uniforms

Augmentation = Literal["poster", "rotate"]

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


def draw(seeds: NDArray[np.uint64], which: Augmentation) -> Transforms:
    """The transforms of patterns with these seeds (n,); the angle of a seed is the same in both augmentations.

    Raises
    ------
    ValueError for an unknown augmentation.
    """
    if which not in (known := get_args(Augmentation)):
        raise ValueError(f"no augmentation {which!r}; known: {', '.join(known)}")
    turn, x, y, size = uniforms(seeds, "augment", 4).T
    if which == "rotate":
        never = np.zeros(len(turn), bool)
        return Transforms(never, never, np.ones(len(turn)), 2 * np.pi * turn)
    return Transforms(x < 0.5, y < 0.5, SCALES[0] + (SCALES[1] - SCALES[0]) * size, 2 * np.pi * turn)


def transformed(images: Tensor, transforms: Transforms, *, moved: bool = False) -> Tensor:
    """Images (n, ny, nx) float, each transformed as it says, on their device.

    Parameters
    ----------
    moved : what the scale stands for. False, another wavelength at the same fluence: a pixel sees the same solid angle,
            values stay and the sum over the pattern grows by scale². True, a detector moved away to `scale` times its
            distance: a pixel's solid angle and its photons fall by scale², and the sum stays.

    Raises
    ------
    TypeError where images are not floating: counts between pixels are not whole.
    """
    if not images.is_floating_point():
        raise TypeError(f"images are {images.dtype}; make them float first, interpolated counts are not whole")

    def of_each(values: NDArray) -> Tensor:
        return torch.as_tensor(values, device=images.device)[:, None, None]

    images = torch.where(of_each(transforms.flip_x), images.flip(2), images)
    images = torch.where(of_each(transforms.flip_y), images.flip(1), images)
    # Where each pixel of the result lies in the image, from its middle [pixels]: turned and scaled back.
    cos, sin = (
        of_each((turn(transforms.angle) / transforms.scale).astype(np.float32)).to(images.dtype)
        for turn in (np.cos, np.sin)
    )
    ny, nx = images.shape[1:]
    y, x = (torch.arange(n, device=images.device, dtype=images.dtype) - (n - 1) / 2 for n in (ny, nx))
    x, y = x[None, None, :], y[None, :, None]
    # grid_sample has its edges at -1 and 1 where the outermost pixels end.
    places = torch.stack([(cos * x + sin * y) * (2 / nx), (cos * y - sin * x) * (2 / ny)], dim=-1)
    result = grid_sample(images[:, None], places, mode="bilinear", padding_mode="zeros", align_corners=False)[:, 0]
    if moved:
        result = result / of_each(transforms.scale**2).to(images.dtype)
    return result


def inscribed_disc(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(ny, nx) True where a pixel's centre stays within those of the outermost pixels, however the image is turned."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.hypot(y[:, None], x) <= (min(shape) - 1) / 2


def augment(images: Tensor, seeds: NDArray[np.uint64], which: Augmentation, *, moved: bool = False) -> Tensor:
    """Images (n, ny, nx) float of patterns with these seeds (n,), augmented on their device; see `transformed`.

    Raises
    ------
    ValueError for an unknown augmentation; TypeError where images are not floating.
    """
    result = transformed(images, draw(seeds, which), moved=moved)
    if which == "rotate":
        result = result * torch.as_tensor(inscribed_disc((images.shape[1], images.shape[2])), device=images.device)
    return result
