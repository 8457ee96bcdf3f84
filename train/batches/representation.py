"""Frames as pictures: a region of the detector, linear or logarithmic, of a network's size, grey or in colours.

Ignatenko et al., Mach. Learn.: Sci. Technol. 2, 025014 (2021) cut 123 x 240 pixels, drew them in colours or grey, and
resized the picture to 416 x 416 or 608 x 608. Here the grey picture is made once, in 8 bits as theirs were, and a
network colours it as its first step.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

Colours = Literal["jet", "grayscale"]
Scale = Literal["linear", "log"]

BRIGHTEST = 0.995
"""Quantile of a frame's live pixels that is drawn white: the few pixels around the beam would leave all else black."""

JET = {
    "red": ((0, 0.35, 0.66, 0.89, 1), (0, 0, 1, 1, 0.5)),
    "green": ((0, 0.125, 0.375, 0.64, 0.91, 1), (0, 0, 1, 1, 0, 0)),
    "blue": ((0, 0.11, 0.34, 0.65, 1), (0.5, 1, 1, 0, 0)),
}
"""Corners of the colour map `jet`: grey value, share of a colour."""

AT_ONCE = 256
"""Frames that are drawn together."""


@dataclass(frozen=True)
class Representation:
    """How a frame becomes a picture."""

    colours: Colours = "jet"
    scale: Scale = "linear"
    image_size: int = 416
    """pixels along an edge of the square picture, a multiple of 32"""
    roi: tuple[int, int, int, int] | None = None
    """rows from, to and columns from, to of the frame; None takes all"""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name, value, known in (("colours", self.colours, Colours), ("scale", self.scale, Scale)):
            if value not in get_args(known):
                raise ValueError(f"{name} is {value!r}, expected one of {', '.join(get_args(known))}")
        if self.image_size < 32 or self.image_size % 32:
            raise ValueError(f"image_size is {self.image_size}, expected a multiple of 32")

    @property
    def n_channels(self) -> int:
        """Of the picture."""
        return 3 if self.colours == "jet" else 1

    def cut(self, frames: NDArray) -> NDArray:
        """The region of frames or masks (..., ny, nx); ValueError where they do not reach so far."""
        if self.roi is None:
            return frames
        top, bottom, left, right = self.roi
        ny, nx = frames.shape[-2:]
        if not (0 <= top < bottom <= ny and 0 <= left < right <= nx):
            raise ValueError(f"roi is {self.roi}, but frames are {ny} x {nx}; expected rows and columns inside of them")
        return frames[..., top:bottom, left:right]


def pictures(frames: NDArray, mask: NDArray[np.bool_] | None, how: Representation) -> NDArray[np.uint8]:
    """Grey pictures (n, size, size) of frames (n, ny, nx) photons, masked pixels (ny, nx) black."""
    frames = how.cut(frames)
    live = np.ones(frames.shape[1:], bool) if mask is None else ~how.cut(mask)
    if not live.any():
        raise ValueError("every pixel of the region is masked; expected some that count photons")
    drawn = np.empty((len(frames), how.image_size, how.image_size), np.uint8)
    for start in range(0, len(frames), AT_ONCE):
        some = np.where(live, np.maximum(frames[start : start + AT_ONCE], 0), 0).astype(np.float32)
        if how.scale == "log":
            some = np.log1p(some)
        white = brightest(some[:, live])
        # where even that many pixels are dark the brightest one is white
        white = np.where(white > 0, white, np.maximum(some.max((1, 2)), 1))
        some = np.minimum(some / white[:, None, None], 1)
        size = (how.image_size, how.image_size)
        resized = interpolate(torch.from_numpy(some)[:, None], size, mode="bilinear", antialias=True)[:, 0]
        drawn[start : start + AT_ONCE] = (255 * resized).round().clamp(0, 255).to(torch.uint8).numpy()
    return drawn


def brightest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) quantile BRIGHTEST of values (n, pixels), from the few that are above: half of the time of np.quantile."""
    place = BRIGHTEST * (values.shape[1] - 1)
    below = int(place)
    n = values.shape[1] - below
    top = torch.topk(torch.from_numpy(values), n, dim=1).values[:, -2:].numpy() if n > 1 else values[:, [0, 0]]
    return top[:, -1] + (top[:, 0] - top[:, -1]) * np.float32(place - below)


def resized_boxes(boxes: NDArray[np.floating], frame_shape: tuple[int, int], how: Representation) -> NDArray:
    """Boxes (n, 4) of frames' regions in pixels of their pictures; `frame_shape` is that of the region."""
    ny, nx = frame_shape
    factor = np.array([how.image_size / nx, how.image_size / ny] * 2, np.float32)
    return np.asarray(boxes, np.float32) * factor


def jet(grey: Tensor) -> Tensor:
    """(B, 1, y, x) from 0 to 1 -> (B, 3, y, x): red, green, blue."""
    shades = []
    for at, share in JET.values():
        shade = torch.zeros_like(grey) + share[0]
        for (a, b), (low, high) in zip(pairwise(at), pairwise(share), strict=True):
            shade = torch.where(grey >= a, low + (high - low) * (grey - a) / (b - a), shade)
        shades.append(shade)
    return torch.cat(shades, 1)


class Coloured(nn.Module):
    """Grey pictures (B, 1, y, x) from 0 to 255 as a detector sees them: coloured, and in training distorted.

    Darknet's distortion: exposure and saturation are multiplied or divided by up to a factor, hues turned by up to a
    share of the circle; random numbers are torch's. Of grey pictures only the exposure changes.
    """

    def __init__(self, network: nn.Module, colours: Colours, hue: float = 0.1, most: float = 1.5):
        super().__init__()
        self.network, self.colours, self.hue, self.most = network, colours, hue, most

    def forward(self, images: Tensor) -> list[Tensor]:
        """The network's answer."""
        seen = images / 255
        if self.colours == "jet":
            seen = jet(seen)
        return self.network(self._distorted(seen) if self.training and (self.hue or self.most > 1) else seen)

    def _distorted(self, seen: Tensor) -> Tensor:
        def factor() -> Tensor:
            drawn = torch.rand(len(seen), 1, 1, 1, device=seen.device) * (self.most - 1) + 1
            return torch.where(torch.rand_like(drawn) < 0.5, drawn, 1 / drawn)

        exposure, saturation = factor(), factor()
        if seen.shape[1] == 3:
            angle = (torch.rand(len(seen), device=seen.device) * 2 - 1) * self.hue * 2 * torch.pi
            seen = turned(seen, angle)
            value = seen.amax(1, keepdim=True)
            seen = value + (seen - value) * saturation
        return (seen * exposure).clamp(0, 1)


def turned(colours: Tensor, angle: Tensor) -> Tensor:
    """Colours (B, 3, y, x) with hues turned by an angle (B,) about the grey diagonal: a rotation of the colour cube."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None] / 3**0.5
    mean = torch.full((3, 3), 1 / 3, device=colours.device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=colours.device)
    rotation = cosine * torch.eye(3, device=colours.device) + (1 - cosine) * mean + sine * cross
    return torch.einsum("bij,bjyx->biyx", rotation, colours)
