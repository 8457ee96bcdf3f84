"""Losses of YOLOv2 and YOLOv3, for at most one box an image and one class.

With one class darknet's softmax of YOLOv2 is 1 whatever the network says: that term is left out. Sums over cells, mean
over images, as darknet's gradients are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from train.models.detection.boxes import Grid, decode, encode, overlap, responsible


@dataclass(frozen=True)
class Weights:
    """Of the parts of a loss."""

    ignore: float
    """boxes that overlap the particle's by more than this are not asked to say that there is none"""
    with_object: float = 1.0
    without_object: float = 1.0
    coordinates: float = 1.0


V2 = Weights(ignore=0.6, with_object=5.0)
"""Darknet's yolov2-voc.cfg."""

V3 = Weights(ignore=0.7)
"""Darknet's yolov3.cfg."""


def region_loss(raw: list[Tensor], boxes: Tensor, grids: list[Grid], weights: Weights = V2) -> Tensor:
    """YOLOv2's: squares of sigmoid(t_o) less 0, or less the overlap reached, and of the box's numbers less theirs.

    Parameters
    ----------
    raw :   a map (B, a, 6, y, x) for each grid.
    boxes : (B, 4) [pixels]; NaN where an image has none.
    """
    return _loss(raw, boxes, grids, weights, _squared_without, _squared_with)


def yolo_loss(raw: list[Tensor], boxes: Tensor, grids: list[Grid], weights: Weights = V3) -> Tensor:
    """YOLOv3's: cross-entropies of t_o, t_x, t_y and the class; squares of the box's logarithmic size. See above."""
    return _loss(raw, boxes, grids, weights, _entropy_without, _entropy_with)


def loss_of(architecture: str) -> Callable[[list[Tensor], Tensor, list[Grid]], Tensor]:
    """The loss that an architecture is trained with, of (raw, boxes, grids)."""
    return partial(region_loss, weights=V2) if architecture == "yolov2" else partial(yolo_loss, weights=V3)


def _loss(
    raw: list[Tensor],
    boxes: Tensor,
    grids: list[Grid],
    weights: Weights,
    without: Callable[[Tensor], Tensor],
    with_one: Callable[[Tensor, Tensor, Tensor, float, Weights], Tensor],
) -> Tensor:
    decoded = [decode(some, grid)[0] for some, grid in zip(raw, grids, strict=True)]
    shapes = [(some.shape[3], some.shape[4]) for some in raw]
    asked = [  # to say that there is nothing; NaN is not above
        ~(overlap(some.detach(), boxes[:, None, None, None]) > weights.ignore) for some in decoded
    ]
    total = raw[0].new_zeros(())
    for image in torch.isfinite(boxes[:, 0]).nonzero()[:, 0].tolist():
        g, a, row, column = responsible(boxes[image], grids, shapes)
        asked[g][image, a, row, column] = False
        wanted = encode(boxes[image], grids[g], a, row, column)
        reached = overlap(decoded[g][image, a, row, column].detach(), boxes[image])
        height, width = (n * grids[g].stride for n in shapes[g])
        # small boxes are asked for more exactly
        scale = 2 - float(boxes[image, 2] * boxes[image, 3]) / (height * width)
        total = total + with_one(raw[g][image, a, :, row, column], wanted, reached, scale, weights)
    for some, cells in zip(raw, asked, strict=True):
        total = total + weights.without_object * (without(some[:, :, 4]) * cells).sum()
    return total / len(boxes)


def _squared_without(raw: Tensor) -> Tensor:
    return raw.sigmoid().square()


def _squared_with(numbers: Tensor, wanted: Tensor, reached: Tensor, scale: float, weights: Weights) -> Tensor:
    given = torch.cat((numbers[:2].sigmoid(), numbers[2:4]))
    there = weights.with_object * (numbers[4].sigmoid() - reached).square()
    return there + weights.coordinates * scale * (given - wanted).square().sum()


def _entropy_without(raw: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(raw, torch.zeros_like(raw), reduction="none")


def _entropy_with(numbers: Tensor, wanted: Tensor, reached: Tensor, scale: float, weights: Weights) -> Tensor:
    one = torch.ones_like(numbers[4:6])
    there = weights.with_object * binary_cross_entropy_with_logits(numbers[4:6], one, reduction="sum")
    place = binary_cross_entropy_with_logits(numbers[:2], wanted[:2].clamp(0, 1), reduction="sum")
    size = (numbers[2:4] - wanted[2:]).square().sum()
    return there + weights.coordinates * scale * (place + size)
