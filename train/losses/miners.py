"""Miners: which triplets of a batch the loss is taken of."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from train.config.recipe import Mining


class Triplets(NamedTuple):
    """Rows of a batch."""

    anchor: Tensor
    """(t,) int64"""
    positive: Tensor
    negative: Tensor

    def __len__(self) -> int:
        return len(self.anchor)


def random_triplets(distance_matrix: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Triplets:
    """For each row that has a positive and a negative, one of each by chance."""
    positives, negatives = _pairs(labels)

    def one_of(allowed: Tensor) -> Tensor:
        chance = torch.rand(allowed.shape, generator=generator, device=allowed.device)
        return torch.where(allowed, chance, -1.0).argmax(1)

    return _complete(positives, negatives, one_of(positives), one_of(negatives))


def batch_hard(distance_matrix: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Triplets:
    """For each row that has both, its farthest positive and its nearest negative."""
    positives, negatives = _pairs(labels)
    farthest = torch.where(positives, distance_matrix, -torch.inf).argmax(1)
    nearest = torch.where(negatives, distance_matrix, torch.inf).argmin(1)
    return _complete(positives, negatives, farthest, nearest)


def semi_hard(distance_matrix: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Triplets:
    """For every pair of a row and a positive, the nearest negative beyond the positive; else the farthest."""
    positives, negatives = _pairs(labels)
    anchor, positive = torch.nonzero(positives & negatives.any(), as_tuple=True)
    to_negatives = torch.where(negatives, distance_matrix, torch.nan)[anchor]  # (t, n)
    beyond = to_negatives > distance_matrix[anchor, positive][:, None]
    nearest = torch.where(beyond, to_negatives, torch.inf).argmin(1)
    farthest = to_negatives.nan_to_num(-torch.inf).argmax(1)
    return Triplets(anchor, positive, torch.where(beyond.any(1), nearest, farthest))


MINERS: dict[Mining, Callable[[Tensor, Tensor, torch.Generator | None], Triplets]] = {
    "random": random_triplets,
    "batch_hard": batch_hard,
    "semi_hard": semi_hard,
}
"""Distances (n, n), labels (n,) -> triplets; only `random` draws."""


def _pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(n, n) whether the column is a positive of the row, and whether a negative."""
    same = labels[:, None] == labels[None]
    positives = same.clone()
    positives.fill_diagonal_(False)
    return positives, ~same


def _complete(positives: Tensor, negatives: Tensor, positive: Tensor, negative: Tensor) -> Triplets:
    """Of rows that have a positive and a negative at all: where one row has a negative, all have."""
    anchor = torch.nonzero(positives.any(1) & negatives.any())[:, 0]
    return Triplets(anchor, positive[anchor], negative[anchor])
