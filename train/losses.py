"""What training minimises."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from train.models.heads import Logits


def multi_output_loss(logits: Logits, count: Tensor, particle: Tensor, count_weight: float = 4.0) -> Tensor:
    """count_weight · CE(count) + CE(particle), each the mean over the batch [nats]; 4 as in the poster.

    Parameters
    ----------
    count, particle : (B,) int64  indices of the right classes.
    """
    return count_weight * cross_entropy(logits.count, count) + cross_entropy(logits.particle, particle)
