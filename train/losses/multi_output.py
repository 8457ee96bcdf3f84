"""What training minimises."""

from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from train.models.heads import Logits


def multi_output_loss(
    logits: Logits,
    count: Tensor,
    particle: Tensor,
    count_weight: float = 4.0,
    label_smoothing: float = 0.0,
    ordinal_weight: float = 0.0,
) -> Tensor:
    """count_weight · CE(count) + CE(particle), each a mean over patterns [nats]; 4 as in the poster.

    With an ordinal weight, and that weight · `ranked_probability_score` of the count.

    Shots without a particle have a count, but no structure that could be right or wrong: the second mean is over the
    others, and zero where there is none.

    Parameters
    ----------
    count, particle : (B,) int64  indices of the right classes; particle -1 where there is none.
    label_smoothing : share of a label's weight that is spread over all classes.
    """
    n_hits = (particle >= 0).sum().clamp(min=1)
    summed = cross_entropy(logits.particle, particle, ignore_index=-1, reduction="sum", label_smoothing=label_smoothing)
    loss = count_weight * cross_entropy(logits.count, count, label_smoothing=label_smoothing) + summed / n_hits
    return loss + ordinal_weight * ranked_probability_score(logits.count, count) if ordinal_weight else loss


def ranked_probability_score(logits: Tensor, right: Tensor) -> Tensor:
    """Mean of Σ_k (P(class <= k) - [right class <= k])² over patterns, of classes in order: four for three costs less
    than four for one. Epstein, J. Appl. Meteorol. 8, 985 (1969).

    Parameters
    ----------
    logits : (B, n).
    right :  (B,) int64 index of the right class.
    """
    ahead = (logits.softmax(1) - one_hot(right, logits.shape[1])).cumsum(1)
    return ahead.square().sum(1).mean()
