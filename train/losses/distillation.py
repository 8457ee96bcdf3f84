"""What a network that is distilled minimises: how far its answers are from its teacher's."""

import torch
from torch import Tensor

from train.models.heads import Logits


def divergence(logits: Logits, of_teacher: Logits, temperature: float = 1.0) -> Tensor:
    """Sum over the targets of T² KL(teacher ‖ network), a mean over the patterns [nats].

    Of softened probabilities, softmax(logits / T); T² keeps the size of the gradient as T grows. Hinton, Vinyals, Dean,
    arXiv:1503.02531, section 2.

    Parameters
    ----------
    logits, of_teacher : target -> (B, its classes); logarithms of probabilities are logits as well.
    """
    each = [_divergence(logits[target] / temperature, head / temperature) for target, head in of_teacher.items()]
    return temperature**2 * torch.stack(each).sum()


def _divergence(logits: Tensor, of_teacher: Tensor) -> Tensor:
    ours, theirs = logits.float().log_softmax(1), of_teacher.float().log_softmax(1)
    return (theirs.exp() * (theirs - ours)).sum(1).mean()


def squared_distance(embeddings: Tensor, of_teacher: Tensor) -> Tensor:
    """Mean over the patterns of |e - t|², embeddings e (B, d) and the teacher's t (B, d).

    What the teacher's selector reads of an embedding the network's then reads as well: a distance from a mean, or a
    linear score w e, is off by no more than |e - t|, or |w| |e - t|.
    """
    return (embeddings - of_teacher).square().sum(1).mean()
