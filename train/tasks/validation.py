"""How a network does on a split that it does not learn from."""

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
    """both heads right; the count alone where no particle was hit"""
    validation_count_accuracy: float
    validation_particle_accuracy: float
    """of the patterns that show a particle"""
    count_collapsed: bool
    particle_collapsed: bool


def validate(model: nn.Module, batches: Batches, recipe: Recipe, device: torch.device) -> Validation:
    """Answers of the model to `batches`, which are in stored order, against the right ones."""
    logits = infer(model, batches, recipe.input_transform, device)
    count, particle = (torch.from_numpy(labels).to(device) for labels in (batches.count, batches.particle))
    count_answer, particle_answer = (head.argmax(1) for head in logits)
    count_right, particle_right, is_hit = count_answer == count, particle_answer == particle, particle >= 0
    return Validation(
        validation_loss=multi_output_loss(logits, count, particle, recipe.count_weight).item(),
        validation_accuracy=_fraction(count_right & (particle_right | ~is_hit)),
        validation_count_accuracy=_fraction(count_right),
        validation_particle_accuracy=_fraction(particle_right[is_hit]),
        count_collapsed=collapsed(count_answer, count),
        particle_collapsed=collapsed(particle_answer[is_hit], particle[is_hit]),
    )


def collapsed(answer: Tensor, truth: Tensor) -> bool:
    """Whether a head has learned nothing from classes (N,) that differ.

    It then gives one answer to everything, or is right no more often than the most frequent class is frequent: the
    accuracy of the two collapsed networks in the poster's second table is that share.
    """
    if len(truth.unique()) == 1:
        return False
    return len(answer.unique()) == 1 or bool((answer == truth).sum() <= truth.bincount().max())


def _fraction(right: Tensor) -> float:
    return right.sum().item() / len(right)
