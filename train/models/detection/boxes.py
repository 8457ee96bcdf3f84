"""Boxes: what a grid's numbers mean, and which of its cells is to find a box.

A box is (x, y, width, height) in pixels of the image, x and y its middle. **A particle's box is its pattern**: between
the quantiles 1 % and 99 % of the photons along rows, and along columns, so it holds the central fringes and a little
more than 96 % of the photons; masked pixels have none.

Cell (row, column) of a grid of stride s and anchor (a, b) [pixels] with raw numbers t mean
x = s (column + sigmoid(t_x)), y = s (row + sigmoid(t_y)), width = a exp(t_w), height = b exp(t_h), and a box is there
with probability sigmoid(t_o). Redmon and Farhadi, YOLO9000 (2017), section 2.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ANCHORS_V2 = ((1.3221, 1.73145), (3.19275, 4.00944), (5.05587, 8.09892), (9.47112, 4.84053), (11.2364, 10.0071))
"""Of darknet's yolov2-voc.cfg, in cells of 32 pixels: width, height."""

ANCHORS_V3 = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
"""Of darknet's yolov3.cfg, in pixels of a 416 x 416 image: width, height."""

QUANTILE = 0.01
"""Of the photons beyond each side of a particle's box."""

LARGEST_LOG = 8.0
"""Of a box over its anchor: keeps an untrained network's numbers finite."""


@dataclass(frozen=True)
class Grid:
    """How a map's numbers are read."""

    stride: int
    """pixels of the image for one of the map"""
    anchors: tuple[tuple[float, float], ...]
    """width, height [pixels]"""


def pattern_box(photons: NDArray, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """(4,) box [pixels] of a pattern (ny, nx); ValueError where no photon is.

    Between quantiles of the photons along each axis; a pixel's photons lie evenly from one of its edges to the other.
    """
    counted = np.where(mask, 0, photons) if mask is not None else np.asarray(photons)
    counted = np.maximum(counted, 0)
    if not counted.sum() > 0:
        raise ValueError("a frame without photons has no box; only frames that show a particle are labelled with one")
    edges = []
    for axis in (0, 1):
        below = np.concatenate(([0.0], np.cumsum(counted.sum(axis, dtype=np.float64))))
        edges.append(np.interp([QUANTILE, 1 - QUANTILE], below / below[-1], np.arange(len(below))))
    (x0, x1), (y0, y1) = edges
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], np.float32)


def decode(raw: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Boxes (B, a, y, x, 4) [pixels] and objectness (B, a, y, x) from numbers (B, a, 6, y, x)."""
    _, _, _, ny, nx = raw.shape
    column = torch.arange(nx, device=raw.device, dtype=raw.dtype)
    row = torch.arange(ny, device=raw.device, dtype=raw.dtype)[:, None]
    anchors = torch.tensor(grid.anchors, device=raw.device, dtype=raw.dtype)
    x = grid.stride * (column + raw[:, :, 0].sigmoid())
    y = grid.stride * (row + raw[:, :, 1].sigmoid())
    width = anchors[:, 0, None, None] * raw[:, :, 2].clamp(max=LARGEST_LOG).exp()
    height = anchors[:, 1, None, None] * raw[:, :, 3].clamp(max=LARGEST_LOG).exp()
    return torch.stack((x, y, width, height), -1), raw[:, :, 4].sigmoid()


def overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) and others (..., 4), broadcast: (...)."""
    low = torch.maximum(boxes[..., :2] - boxes[..., 2:] / 2, others[..., :2] - others[..., 2:] / 2)
    high = torch.minimum(boxes[..., :2] + boxes[..., 2:] / 2, others[..., :2] + others[..., 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (boxes[..., 2:].prod(-1) + others[..., 2:].prod(-1) - shared)


def responsible(box: Tensor, grids: list[Grid], shapes: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """Which grid, anchor, row and column find a box (4,): of all anchors, in the box's place, that of most overlap."""
    best, chosen = -1.0, (0, 0, 0, 0)
    for g, (grid, (ny, nx)) in enumerate(zip(grids, shapes, strict=True)):
        for a, (width, height) in enumerate(grid.anchors):
            shared = min(width, float(box[2])) * min(height, float(box[3]))
            share = shared / (width * height + float(box[2] * box[3]) - shared)
            if share > best:
                row = min(max(int(box[1] / grid.stride), 0), ny - 1)
                column = min(max(int(box[0] / grid.stride), 0), nx - 1)
                best, chosen = share, (g, a, row, column)
    return chosen


def encode(box: Tensor, grid: Grid, anchor: int, row: int, column: int) -> Tensor:
    """(4,) the numbers that a cell is to give for a box (4,): sigmoid(t_x), sigmoid(t_y), t_w, t_h."""
    width, height = grid.anchors[anchor]
    numbers = (
        box[0] / grid.stride - column,
        box[1] / grid.stride - row,
        (box[2] / width).log(),
        (box[3] / height).log(),
    )
    return torch.stack(numbers)


def suppressed(boxes: Tensor, scores: Tensor, threshold: float = 0.45) -> Tensor:
    """Indices of boxes (n, 4) that no box of a higher score (n,) overlaps by more than the threshold, best first."""
    order, kept = scores.argsort(descending=True, stable=True), []
    while len(order):
        kept.append(order[0])
        order = order[1:][overlap(boxes[order[0]], boxes[order[1:]]) <= threshold]
    return torch.stack(kept) if kept else order


def best_boxes(raw: list[Tensor], grids: list[Grid]) -> tuple[Tensor, Tensor]:
    """The likeliest box (B, 4) [pixels] of each image, and its probability (B,): one particle, one box."""
    boxes, scores = zip(*(decode(some, grid) for some, grid in zip(raw, grids, strict=True)), strict=True)
    flat = torch.cat([some.flatten(1, 3) for some in boxes], 1)
    score, at = torch.cat([some.flatten(1) for some in scores], 1).max(1)
    return flat[torch.arange(len(flat), device=flat.device), at], score
