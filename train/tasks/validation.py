"""Loss and accuracies of a classifier on a split."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.batches.batches import Batches
from train.config.recipe import Recipe
from train.inference.predict import infer
from train.losses.multi_output import multi_output_loss


@dataclass(frozen=True)
class Validation:
    """Loss [nats] and accuracies (fractions) over a whole split."""

    validation_loss: float
    validation_accuracy: float
    """joint: every answer right that there is; of shots that hit nothing, the count"""
    validation_accuracies: dict[str, float]
    """of each target, of the patterns that have an answer"""
    is_collapsed: dict[str, bool]


def validate(model: nn.Module, batches: Batches, recipe: Recipe, device: torch.device) -> Validation:
    """Predictions for `batches`, which are in stored order, against their labels."""
    logits = infer(model, batches, recipe.input_transform, device)
    labels = {target: torch.from_numpy(codes).to(device) for target, codes in batches.labels.items()}
    accuracies, flags = {}, {}
    all_right = torch.ones(batches.n_patterns, dtype=torch.bool, device=device)
    for target, codes in labels.items():
        predicted, labelled = logits[target].argmax(1), codes >= 0
        all_right &= (predicted == codes) | ~labelled
        if not labelled.any():
            raise ValueError(f"no validation pattern has an answer to {target}; raise plan.patterns_per_class")
        accuracies[target] = _fraction((predicted == codes)[labelled])
        flags[target] = collapsed(predicted[labelled], codes[labelled])
    return Validation(
        validation_loss=multi_output_loss(logits, labels, recipe.target_weights).item(),
        validation_accuracy=_fraction(all_right),
        validation_accuracies=accuracies,
        is_collapsed=flags,
    )


def collapsed(predicted: Tensor, labels: Tensor) -> bool:
    """Whether a head has learned nothing, of labels (N,) that differ.

    It then predicts one class for everything, or its accuracy is at most the share of the most frequent class: that of
    the two collapsed networks in the poster's second table is that share.
    """
    if len(labels.unique()) <= 1:
        return False
    return len(predicted.unique()) == 1 or bool((predicted == labels).sum() <= labels.bincount().max())


def _fraction(right: Tensor) -> float:
    return right.sum().item() / len(right)
