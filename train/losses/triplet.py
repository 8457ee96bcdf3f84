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

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from train.config.recipe import Distance
from train.losses.miners import Triplets

PROXY_SCALE = 10.0
"""Of cosines as logits: an embedding upon one of four proxies, at right angles to the others, is of it to 1 - 1e-4"""


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


def triplet_loss(distance_matrix: Tensor, triplets: Triplets, margin: float) -> Tensor:
    """Mean of max(d_p - d_n + margin, 0) over triplets, in units of the distance; zero where there is none."""
    if not len(triplets):
        return distance_matrix.sum() * 0.0
    near, far = distance_matrix[triplets.anchor, triplets.positive], distance_matrix[triplets.anchor, triplets.negative]
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
