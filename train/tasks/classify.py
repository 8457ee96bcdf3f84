"""Training a classifier with a head for each question that its dataset asks."""

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from train.batches.batches import Batches, Patterns
from train.config.recipe import Recipe
from train.inference.domain import domain_of
from train.loop.checkpoint import describe, network
from train.loop.device import held_on
from train.loop.history import Epoch, History
from train.loop.training_loop import Lesson, Task, seed_process, train_model, training_batches
from train.losses.distillation import divergence
from train.losses.multi_output import multi_output_loss
from train.models.heads import Logits
from train.tasks.teacher import taught
from train.tasks.validation import validate

if TYPE_CHECKING:
    from frames.store.dataset import Dataset
    from train.batches.fresh import PatternSource


logger = logging.getLogger(__name__)


def fit(
    name: str,
    dataset: "Dataset",
    recipe: Recipe,
    seed: int,
    device: torch.device,
    folder: Path,
    source: "PatternSource | None" = None,
    measure_threads: bool = True,
) -> History:
    """Train network `name` on the training split of `dataset`, and validate it every epoch.

    What is written into `folder`, how an interrupted training goes on, and RuntimeError and ValueError: see
    `train.loop.training_loop.train_model`.

    Parameters
    ----------
    source : that training patterns are rendered from, where the recipe says `on_the_fly`.
    measure_threads : False takes as many as torch has, all the time.

    Raises
    ------
    KeyError    no network has that name.
    ValueError  the images do not suit the network, or the recipe's teacher not the dataset.
    FileNotFoundError  there is no such teacher.
    """
    seed_process(seed)
    description = describe(name, dataset, recipe, seed)
    model = network(description, device)
    teacher = taught(description, model, device)
    split = dataset.splits["validation"]
    validation = Batches(dataset, split, recipe.batch_size, recipe.memory_gb, held_on=held_on(device))

    def loss(logits: Logits, patterns: Patterns) -> Tensor:
        right = {target: torch.from_numpy(codes).to(device) for target, codes in patterns.labels.items()}
        logits = {target: head.float() for target, head in logits.items()}
        weights = recipe.target_weights, recipe.label_smoothing, recipe.ordinal_weight
        return multi_output_loss(logits, right, *weights, ordinal)

    def validated(model: nn.Module) -> dict[str, Any]:
        return asdict(validate(model, validation, recipe, device))

    temperature = recipe.teacher_temperature
    asked, ordinal = [target.name for target in dataset.targets], [t.name for t in dataset.targets if t.is_number]
    if unasked := sorted(set(recipe.target_weights) - set(asked)):
        logger.warning("recipe.target_weights has %s, but %s asks %s", unasked, dataset.name, asked)
    batches = training_batches(dataset, recipe, seed, device, source)
    record = {"n_validation": validation.n_patterns}
    lesson = None if teacher is None else Lesson(teacher.answers, partial(divergence, temperature=temperature))
    task = Task(loss, validated, Epoch, partial(domain_of, dataset, recipe), lesson=lesson)
    return train_model(model, task, description, batches, device, folder, record, measure_threads)
