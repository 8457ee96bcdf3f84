"""Embeddings that lie near each other where patterns are alike: distances, triplets, and the loss of them.

A triplet is an anchor, a positive (another pattern of the anchor's class) and a negative (of another class); its loss
is max(d_p - d_n + margin, 0), with the anchor's distances d_p and d_n to the other two. Which triplets of a batch count
is the mining:

| mining | positives | negatives |
| --- | --- | --- |
| `random` | one of the anchor's class | one of another class |
| `batch_hard` | the farthest | the nearest |
| `semi_hard` | each | the nearest that is farther than the positive; where none is, the farthest |

batch_hard: Hermans, Beyer, Leibe, arXiv:1703.07737. semi_hard: Schroff, Kalenichenko, Philbin, FaceNet,
arXiv:1503.03832, as SpeckleNN mines.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from train.recipe import Distance, Mining

PROXY_SCALE = 10.0
"""Of cosines as logits: an embedding upon one of four proxies, at right angles to the others, is of it to 1 - 1e-4"""


class Triplets(NamedTuple):
    """Rows of a batch."""

    anchor: Tensor
    """(t,) int64"""
    positive: Tensor
    negative: Tensor

    def __len__(self) -> int:
        return len(self.anchor)


def distances(one: Tensor, other: Tensor, distance: Distance) -> Tensor:
    """(n, m) from each of the embeddings (n, d) to each of (m, d).

    `rms`: root mean square over the d components, the poster's; `squared_l2`: sum of squares, SpeckleNN's.
    """
    # |a - b|² = a² + b² - 2ab would lose near distances to rounding; differences of a batch are small enough to hold.
    squared = (one[:, None] - other[None]).square()
    if distance == "squared_l2":
        return squared.sum(-1)
    mean = squared.mean(-1)
    zero = mean == 0  # the root has no gradient there: a pattern is at distance 0 from itself
    return torch.where(zero, 0.0, torch.where(zero, 1.0, mean).sqrt())


def random_triplets(between: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Triplets:
    """For each row that has a positive and a negative, one of each by chance."""
    positives, negatives = _pairs(labels)

    def one_of(allowed: Tensor) -> Tensor:
        chance = torch.rand(allowed.shape, generator=generator, device=allowed.device)
        return torch.where(allowed, chance, -1.0).argmax(1)

    return _complete(positives, negatives, one_of(positives), one_of(negatives))


def batch_hard(between: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Triplets:
    """For each row that has both, its farthest positive and its nearest negative."""
    positives, negatives = _pairs(labels)
    farthest = torch.where(positives, between, -torch.inf).argmax(1)
    nearest = torch.where(negatives, between, torch.inf).argmin(1)
    return _complete(positives, negatives, farthest, nearest)


def semi_hard(between: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Triplets:
    """For every pair of a row and a positive, the nearest negative beyond the positive; else the farthest."""
    positives, negatives = _pairs(labels)
    anchor, positive = torch.nonzero(positives & negatives.any(1, keepdim=True), as_tuple=True)
    to_negatives = torch.where(negatives, between, torch.nan)[anchor]  # (t, n)
    beyond = to_negatives > between[anchor, positive][:, None]
    nearest = torch.where(beyond, to_negatives, torch.inf).argmin(1)
    farthest = to_negatives.nan_to_num(-torch.inf).argmax(1)
    return Triplets(anchor, positive, torch.where(beyond.any(1), nearest, farthest))


MININGS: dict[Mining, Callable[[Tensor, Tensor, torch.Generator | None], Triplets]] = {
    "random": random_triplets,
    "batch_hard": batch_hard,
    "semi_hard": semi_hard,
}
"""Distances (n, n), labels (n,) -> triplets; only `random` draws."""


def triplet_loss(between: Tensor, triplets: Triplets, margin: float) -> Tensor:
    """Mean of max(d_p - d_n + margin, 0) over triplets, in units of the distance; zero where there is none."""
    if not len(triplets):
        return between.sum() * 0.0
    near, far = between[triplets.anchor, triplets.positive], between[triplets.anchor, triplets.negative]
    return (near - far + margin).clamp(min=0).mean()


def proxy_loss(embeddings: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy [nats] of which proxy an embedding is of, by its cosine with each.

    As a softmax whose weights and features have length 1, its logits `PROXY_SCALE` times the cosines: Wang et al.,
    NormFace, arXiv:1704.06369. A triplet sees three patterns; this pulls each towards its kind as a whole.

    Parameters
    ----------
    embeddings : (n, d) of length 1. proxies : (k, d) of any length. labels : (n,) int64, which proxy.
    """
    return cross_entropy(PROXY_SCALE * embeddings @ normalize(proxies).T, labels)


def _pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(n, n) whether the column is a positive of the row, and whether a negative."""
    same = labels[:, None] == labels[None]
    positives = same.clone()
    positives.fill_diagonal_(False)
    return positives, ~same


def _complete(positives: Tensor, negatives: Tensor, positive: Tensor, negative: Tensor) -> Triplets:
    """Of rows that have a positive and a negative at all."""
    anchor = torch.nonzero(positives.any(1) & negatives.any(1))[:, 0]
    return Triplets(anchor, positive[anchor], negative[anchor])
