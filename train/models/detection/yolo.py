"""YOLOv2 and YOLOv3 for one class and one box an image.

The layers are those of darknet's yolov2.cfg (23 convolutions) and yolov3.cfg (75), in the order in which darknet's
files of weights have them. A network answers with raw numbers on grids; train/models/detection/boxes.py says what they
mean.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from train.models.detection.boxes import ANCHORS_V2, ANCHORS_V3, Grid
from train.models.detection.darknet import STRIDE, Body19, Body53
from train.models.detection.layers import Convolution, Reorganised, alternating, channels

Architecture = Literal["yolov2", "yolov3"]

N_NUMBERS = 6
"""Of a box: x, y, width, height, whether there is one, and of the one class."""


class YoloV2(nn.Module):
    """Images (B, n_in, y, x) float32 -> one grid of 1/32 of the size, five boxes a cell."""

    def __init__(self, n_in: int = 3, width: float = 1, momentum: float = 0.1):
        super().__init__()
        self.body = Body19(n_in, width, momentum)
        middle, last = self.body.n_out
        self.deep = alternating(last, 1024, (3, 3), width, momentum)
        self.passed = Convolution(middle, channels(64, width), 1, momentum=momentum)
        self.reorganised = Reorganised()
        joined = 4 * channels(64, width) + last
        self.joined = Convolution(joined, channels(1024, width), 3, momentum=momentum)
        self.last = nn.Conv2d(channels(1024, width), len(ANCHORS_V2) * N_NUMBERS, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """[(B, 5, 6, y / 32, x / 32)]; ValueError for images that do not divide."""
        must_divide(images)
        fine, coarse = self.body(images)
        maps = torch.cat((self.reorganised(self.passed(fine)), self.deep(coarse)), 1)
        return [self.last(self.joined(maps)).unflatten(1, (len(ANCHORS_V2), N_NUMBERS))]

    def grids(self) -> list[Grid]:
        """What the numbers mean."""
        return [Grid(STRIDE, tuple((STRIDE * w, STRIDE * h) for w, h in ANCHORS_V2))]


class Head(nn.Module):
    """Five convolutions that go on, and two more that answer."""

    def __init__(self, n_in: int, full: int, width: float, momentum: float):
        super().__init__()
        self.shared = alternating(n_in, full, (1, 3, 1, 3, 1), width, momentum)
        self.answer = Convolution(channels(full // 2, width), channels(full, width), 3, momentum=momentum)
        self.last = nn.Conv2d(channels(full, width), 3 * N_NUMBERS, 1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The maps that go on, and the answer (B, 3, 6, y, x)."""
        shared = self.shared(maps)
        return shared, self.last(self.answer(shared)).unflatten(1, (3, N_NUMBERS))


class YoloV3(nn.Module):
    """Images (B, n_in, y, x) float32 -> grids of 1/32, 1/16 and 1/8 of the size, three boxes a cell."""

    def __init__(self, n_in: int = 3, width: float = 1, momentum: float = 0.1):
        super().__init__()
        self.body = Body53(n_in, width, momentum)
        fine, middle, coarse = self.body.n_out
        self.coarse = Head(coarse, 1024, width, momentum)
        self.to_middle = Convolution(channels(512, width), channels(256, width), 1, momentum=momentum)
        self.middle = Head(middle + channels(256, width), 512, width, momentum)
        self.to_fine = Convolution(channels(256, width), channels(128, width), 1, momentum=momentum)
        self.fine = Head(fine + channels(128, width), 256, width, momentum)

    def forward(self, images: Tensor) -> list[Tensor]:
        """[(B, 3, 6, y / 32, x / 32), the same / 16, the same / 8]; ValueError for images that do not divide."""
        must_divide(images)
        fine, middle, coarse = self.body(images)
        shared, first = self.coarse(coarse)
        shared, second = self.middle(torch.cat((doubled(self.to_middle(shared)), middle), 1))
        _, third = self.fine(torch.cat((doubled(self.to_fine(shared)), fine), 1))
        return [first, second, third]

    def grids(self) -> list[Grid]:
        """What the numbers mean."""
        return [Grid(stride, ANCHORS_V3[first : first + 3]) for stride, first in ((32, 6), (16, 3), (8, 0))]


def doubled(maps: Tensor) -> Tensor:
    """Each pixel as 2 x 2."""
    return nn.functional.interpolate(maps, scale_factor=2, mode="nearest")


def must_divide(images: Tensor) -> None:
    """ValueError unless height and width are multiples of 32."""
    if images.shape[-1] % STRIDE or images.shape[-2] % STRIDE:
        raise ValueError(
            f"images are {images.shape[-2]} x {images.shape[-1]} pixels, expected multiples of {STRIDE}; "
            "change detection.image_size"
        )


def yolo(architecture: Architecture, n_in: int = 3, width: float = 1, momentum: float = 0.1) -> YoloV2 | YoloV3:
    """A network with random weights. `width` multiplies all channels; 1 is the published network."""
    return YoloV2(n_in, width, momentum) if architecture == "yolov2" else YoloV3(n_in, width, momentum)
