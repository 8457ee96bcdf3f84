"""The training loop."""

import copy
import logging
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from simulate.files import write_json
from train.checkpoint import Description, describe, load, network, save, save_model
from train.data import Batches, epoch_seed
from train.device import describe_device, flush_denormals, keep_memory
from train.history import Epoch, History, kept_epoch, write_history
from train.initialise import initialise
from train.inputs import network_input
from train.losses import multi_output_loss
from train.models.heads import Logits
from train.progress import progress
from train.recipe import Recipe, Schedule
from train.validate import validate

if TYPE_CHECKING:
    from simulate.dataset import Dataset
    from simulate.fresh import Source
    from train.fresh import FreshBatches

logger = logging.getLogger(__name__)

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def fit(
    name: str,
    dataset: "Dataset",
    recipe: Recipe,
    seed: int,
    device: torch.device,
    folder: Path,
    source: "Source | None" = None,
) -> History:
    """Train network `name` on the training split of `dataset`, and judge it on the validation split every epoch.

    Writes `model.pt`, `history.csv` and `training.json` into `folder`. Until then `checkpoint.pt` there holds the state
    after the latest epoch: a training that was interrupted goes on from it and ends, on a CPU to the bit, as if it had
    not been. A checkpoint of another network, recipe, seed, dataset or code is not continued: training starts again,
    and the log says so.

    Parameters
    ----------
    source : of the patterns to train on, where the recipe asks for fresh ones.

    Raises
    ------
    KeyError      no network has that name.
    RuntimeError  the loss is no longer a number.
    ValueError    the images do not suit the network, or `checkpoint.pt` is damaged.
    """
    flush_denormals()
    keep_memory()
    torch.manual_seed(seed)
    description = describe(name, dataset, recipe, seed)
    model = network(description, device)
    initialise(model, recipe.initialisation)
    optimiser = OPTIMISERS[recipe.optimiser](
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    train_batches = _train_batches(dataset, recipe, seed, device, source)
    validation_batches = Batches(dataset, dataset.splits["validation"], recipe.batch_size, recipe.memory_gb)
    n_train = train_batches.n_patterns

    history: History = []
    kept_weights: dict[str, torch.Tensor] = {}
    checkpoint = folder / "checkpoint.pt"
    if (saved := _saved_state(checkpoint, description)) is not None:
        model.load_state_dict(saved["weights"])
        optimiser.load_state_dict(saved["optimiser"])
        history = [Epoch(**row) for row in saved["history"]]
        kept_weights = saved["kept_weights"]
    logger.info(
        "%s on %s, seed %d: %d patterns, %d for validation, epochs %d to %d, %s",
        *(name, dataset.name, seed, n_train, len(validation_batches.count)),
        *(len(history) + 1, recipe.epochs, describe_device(device)),
    )

    for number in range(len(history) + 1, recipe.epochs + 1):
        started = time.perf_counter()
        torch.manual_seed(epoch_seed(seed, number))  # of the dropout
        train_loss = _train_epoch(model, optimiser, train_batches, number, recipe, device)
        train_seconds = time.perf_counter() - started
        validation = validate(model, validation_batches, recipe, device)
        if not math.isfinite(train_loss + validation.validation_loss):
            raise RuntimeError(
                f"epoch {number} ends with a loss of {train_loss:g}, {validation.validation_loss:g} in validation; "
                "lower training.recipe.learning_rate"
            )
        history.append(
            Epoch(
                epoch=number,
                train_loss=train_loss,
                **asdict(validation),
                images_per_s=n_train / train_seconds,
                seconds=time.perf_counter() - started,
            )
        )
        if kept_epoch(history, recipe.keep).epoch == number:
            kept_weights = copy.deepcopy(model.state_dict())
        save(
            checkpoint,
            {
                "description": asdict(description),
                "weights": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "history": [asdict(row) for row in history],
                "kept_weights": kept_weights,
            },
        )
        _report(history[-1], recipe.epochs)

    kept = kept_epoch(history, recipe.keep)
    save_model(folder / "model.pt", description, kept, kept_weights)
    write_history(folder / "history.csv", history)
    write_json(
        folder / "training.json",
        {
            **asdict(description),
            "n_train": n_train,
            "n_validation": len(validation_batches.count),
            "n_parameters": sum(parameters.numel() for parameters in model.parameters()),
            "kept": asdict(kept),
            "collapsed": kept.collapsed,
            "seconds": sum(row.seconds for row in history),
            "device": describe_device(device),
            "torch": torch.__version__,
        },
    )
    checkpoint.unlink()  # or a training asked for again, perhaps because the code changed, would find itself done
    return history


def _train_batches(
    dataset: "Dataset", recipe: Recipe, seed: int, device: torch.device, source: "Source | None"
) -> "Batches | FreshBatches":
    if not recipe.fresh:
        return Batches(dataset, dataset.splits["train"], recipe.batch_size, recipe.memory_gb, seed, recipe.augment)
    if source is None:
        raise ValueError("recipe.fresh is true, but there is no source of fresh patterns; give `fit` one")
    from train.fresh import FreshBatches

    return FreshBatches(source, dataset, recipe.batch_size, device, seed)


def _train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: "Batches | FreshBatches",
    number: int,
    recipe: Recipe,
    device: torch.device,
) -> float:
    """One pass over the training split; the mean loss over its patterns."""
    model.train()
    loss_sum = torch.zeros((), device=device)  # stays there: asking for the number at every step would stall a GPU
    n_before, n_steps = (number - 1) * len(batches), recipe.epochs * len(batches)
    shown = progress(batches.epoch(number), f"epoch {number}/{recipe.epochs}", len(batches))
    for step, patterns in enumerate(shown, n_before):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate_factor(recipe.schedule, step, n_steps)
        images = network_input(patterns.images, recipe.input, device)  # (B, 1, ny, nx)
        count, particle = (torch.from_numpy(labels).to(device) for labels in (patterns.count, patterns.particle))
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = model(images)
        answers = Logits(*(head.float() for head in logits))
        loss = multi_output_loss(answers, count, particle, recipe.count_weight, recipe.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.detach() * len(patterns)
    return loss_sum.item() / batches.n_patterns


def rate_factor(schedule: Schedule, step: int, n_steps: int) -> float:
    """Learning rate at a step, 0 being the first of all, over the recipe's.

    Of the step alone: a resumed training goes on as it would have.
    """
    if schedule == "constant":
        return 1.0
    done, rising = (step + 1) / n_steps, 0.1
    return done / rising if done < rising else 0.5 * (1 + math.cos(math.pi * (done - rising) / (1 - rising)))


def _saved_state(checkpoint: Path, description: Description) -> dict[str, Any] | None:
    """What an interrupted training of exactly this left, if anything."""
    if not checkpoint.exists():
        return None
    saved = load(checkpoint)
    theirs, ours = saved.get("description", {}), asdict(description)
    if changed := [key for key in ours if theirs.get(key) != ours[key]]:
        logger.warning("%s was made with another %s: training starts again", checkpoint, ", ".join(changed))
        return None
    return saved


def _report(row: Epoch, n_epochs: int) -> None:
    logger.info(
        "epoch %d/%d: loss %.4f, validation %.4f; accuracy %.1f %% (count %.1f, particle %.1f); %.0f images/s, %.1f s",
        *(row.epoch, n_epochs, row.train_loss, row.validation_loss, 100 * row.validation_accuracy),
        *(100 * row.validation_count_accuracy, 100 * row.validation_particle_accuracy, row.images_per_s, row.seconds),
    )
    if row.collapsed:
        logger.warning("epoch %d: no better than the majority class: %s", row.epoch, ", ".join(row.collapsed))
