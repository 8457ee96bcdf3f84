"""What training minimises."""

from collections.abc import Collection, Mapping

from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from train.models.heads import Logits


def multi_output_loss(
    logits: Logits,
    right: Mapping[str, Tensor],
    weights: Mapping[str, float] | None = None,
    label_smoothing: float = 0.0,
    ordinal_weight: float = 0.0,
    ordinal: Collection[str] = (),
) -> Tensor:
    """Sum over the targets of weight · cross-entropy, each a mean over the patterns that have an answer [nats].

    With an ordinal weight, and that weight · `ranked_probability_score` of the targets in `ordinal`.

    A pattern without an answer to a question (which structure, of a shot without a particle) can be neither right nor
    wrong there: the mean is over the others, and zero where there is none.

    Parameters
    ----------
    right :           of each target (B,) int64 indices of the right classes, -1 where there is none.
    weights :         of the targets; 1 where none is given.
    label_smoothing : share of a label's weight that is spread over all classes.
    ordinal :         targets whose classes are in order.
    """
    loss, score = None, None
    for target, codes in right.items():
        n_labelled = (codes >= 0).sum().clamp(min=1)
        summed = cross_entropy(logits[target], codes, ignore_index=-1, reduction="sum", label_smoothing=label_smoothing)
        term = (weights or {}).get(target, 1.0) * (summed / n_labelled)
        loss = term if loss is None else loss + term
        if ordinal_weight and target in ordinal:
            ranked = ordinal_weight * ranked_probability_score(logits[target], codes)
            score = ranked if score is None else score + ranked
    if loss is None:
        raise ValueError("no target to learn")
    return loss if score is None else loss + score


def ranked_probability_score(logits: Tensor, right: Tensor) -> Tensor:
    """Mean of Σ_k (P(class <= k) - [right class <= k])² over patterns, of classes in order: four for three costs less
    than four for one. Epstein, J. Appl. Meteorol. 8, 985 (1969).

    Parameters
    ----------
    logits : (B, n).
    right :  (B,) int64 index of the right class; -1 where there is none, of which no mean is taken.
    """
    labelled = right >= 0
    ahead = (logits.softmax(1) - one_hot(right.clamp(min=0), logits.shape[1])).cumsum(1)
    return (ahead.square().sum(1) * labelled).sum() / labelled.sum().clamp(min=1)
