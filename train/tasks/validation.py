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
    """joint: count and structure right; of shots that hit nothing, the count"""
    validation_count_accuracy: float
    validation_particle_accuracy: float
    """of the patterns that show a particle"""
    count_collapsed: bool
    particle_collapsed: bool


def validate(model: nn.Module, batches: Batches, recipe: Recipe, device: torch.device) -> Validation:
    """Predictions for `batches`, which are in stored order, against their labels."""
    logits = infer(model, batches, recipe.input_transform, device)
    count, particle = (torch.from_numpy(labels).to(device) for labels in (batches.count, batches.particle))
    predicted_count, predicted_particle = (head.argmax(1) for head in logits)
    count_right, particle_right, is_hit = predicted_count == count, predicted_particle == particle, particle >= 0
    return Validation(
        validation_loss=multi_output_loss(logits, count, particle, recipe.count_weight).item(),
        validation_accuracy=_fraction(count_right & (particle_right | ~is_hit)),
        validation_count_accuracy=_fraction(count_right),
        validation_particle_accuracy=_fraction(particle_right[is_hit]),
        count_collapsed=collapsed(predicted_count, count),
        particle_collapsed=collapsed(predicted_particle[is_hit], particle[is_hit]),
    )


def collapsed(predicted: Tensor, labels: Tensor) -> bool:
    """Whether a head has learned nothing, of labels (N,) that differ.

    It then predicts one class for everything, or its accuracy is at most the share of the most frequent class: that of
    the two collapsed networks in the poster's second table is that share.
    """
    if len(labels.unique()) == 1:
        return False
    return len(predicted.unique()) == 1 or bool((predicted == labels).sum() <= labels.bincount().max())


def _fraction(right: Tensor) -> float:
    return right.sum().item() / len(right)
