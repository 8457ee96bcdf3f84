"""The training loop of every network: a task gives its loss and its validation."""

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import torch
from torch import Tensor, nn

from frames.files import write_json
from train.batches.batches import Batches, Patterns, epoch_seed
from train.batches.detector_dropout import without_parts
from train.batches.input_transforms import network_input
from train.config.recipe import Schedule, TrainingRecipe
from train.inference.domain import Domain
from train.loop.checkpoint import Described, load, save, save_model
from train.loop.device import describe_device, emulates_bfloat16, flush_denormals, held_on, keep_memory
from train.loop.history import AnyRow, Row, kept_epoch, write_history
from train.loop.initialise import initialise
from train.loop.optimisers import Together, optimiser_of
from train.loop.parallel import gather_batch, is_first, learner, normalises_batches, share
from train.loop.threads import Threads
from train.progress import progress

if TYPE_CHECKING:
    from frames.store.dataset import Dataset
    from train.batches.fresh import FreshBatches, PatternSource
    from train.batches.hits import HitBatches

logger = logging.getLogger(__name__)

BURN_IN = 1000
"""Steps over which darknet's learning rate rises."""


@dataclass(frozen=True)
class Lesson:
    """What a network learns of a teacher's answers, beside the labels."""

    answers: Callable[[Tensor], Any]
    """images (B, ny, nx) [photons] -> the teacher's answers, train/tasks/teacher.py"""
    difference: Callable[[Any, Any], Tensor]
    """(outputs, the teacher's answers) -> mean loss, train/losses/distillation.py"""


@dataclass(frozen=True)
class Task(Generic[AnyRow]):
    """Loss and validation of a network."""

    loss: Callable[[Any, Patterns], Tensor]
    """(outputs, batch) -> mean loss"""
    validate: Callable[[nn.Module], Mapping[str, Any]]
    """network -> metrics of the validation split, columns of the history"""
    row: type[AnyRow]
    """of the history, one an epoch"""
    domain: Callable[[], Domain | None]
    """summary of the training split, measured after training; None where a network's frames are not summed up so"""
    watch: Callable[[nn.Module], Tensor] | None = None
    """network -> tensor that is kept of every epoch"""
    finish: Callable[[list[Tensor]], None] | None = None
    """(tensors of all epochs) -> further files, once `model.pt` is written: an error here does not lose the training"""
    stop: Callable[[list[AnyRow]], bool] | None = None
    """rows of all epochs so far -> whether training ends with the last of them"""
    lesson: Lesson | None = None
    """of the recipe's teacher, if it has one"""


def seed_process(seed: int) -> None:
    """Before a network is made: seed torch, flush denormals and keep freed memory, for this whole process."""
    flush_denormals()
    keep_memory()
    torch.manual_seed(seed)


def training_batches(
    dataset: "Dataset",
    recipe: TrainingRecipe,
    seed: int,
    device: torch.device,
    source: "PatternSource | None",
    structures: list[int] | None = None,
) -> "Batches | FreshBatches":
    """Batches of the training split or, where the recipe says `on_the_fly`, of patterns rendered as they are needed.

    ValueError where it says so and there is no source.
    """
    if not recipe.on_the_fly:
        split = dataset.splits["train"]
        how = recipe.batch_size, recipe.memory_gb, seed, recipe.augment, structures, share(), held_on(device)
        return Batches(dataset, split, *how)
    if source is None:
        raise ValueError("recipe.on_the_fly is true, but there is no source to render patterns from; give `fit` one")
    from train.batches.fresh import FreshBatches

    return FreshBatches(source, dataset, recipe.batch_size, device, seed, structures, share())


def train_model(
    model: nn.Module,
    task: Task[AnyRow],
    description: Described,
    batches: "Batches | FreshBatches | HitBatches",
    device: torch.device,
    folder: Path,
    record: Mapping[str, Any],
    measure_threads: bool = True,
) -> list[AnyRow]:
    """Train a network, epoch by epoch, by the recipe in its description.

    Writes `model.pt`, `history.csv` and `training.json`, with `record` in it, into `folder`. Until then `checkpoint.pt`
    there holds the state after the latest epoch: a training that was interrupted goes on from it and ends, on a CPU of
    as many threads to the bit, as if it had not been. A checkpoint of another description is not continued: training
    starts again, and the log says so. Several processes that all call this (`train.loop.parallel.launch_ranks`) train
    together; the first one writes.

    On a CPU, torch's threads are the most that are taken: how many is measured as training goes on, as other programs
    may want the cores (`train/loop/threads.py`), unless `measure_threads` is False. Sums over another number of threads
    are rounded in another way, and so are the weights; `threads` in `training.json` are the numbers that steps were
    taken with.

    Where the gradient of the first layer was exactly 0 throughout an epoch, though there was a loss and something is
    collapsed, training ends with that epoch: the network does not look at the patterns, and nothing will make it. So
    the poster's deeper ones die, whose weights their L2 penalty shrinks to nothing (docs/results/README.md).

    Raises
    ------
    RuntimeError  the loss is no longer a number.
    ValueError    `checkpoint.pt` is damaged, or the last batch has fewer patterns than there are processes, or a single
                  one, of which batch normalisation makes nothing.
    """
    recipe, seed = description.recipe, description.seed
    if (last := batches.n_patterns % recipe.batch_size or recipe.batch_size) < share().n:
        raise ValueError(
            f"the last batch of an epoch has {last} pattern(s) for {share().n} processes; change recipe.batch_size, "
            f"now {recipe.batch_size}, or training.gpus_per_training"
        )
    if last == 1 and normalises_batches(model):
        raise ValueError(
            f"the last batch of an epoch has one pattern, of {batches.n_patterns}, and {description.model} normalises "
            f"over batches; change recipe.batch_size, now {recipe.batch_size}"
        )
    if recipe.precision == "bfloat16" and emulates_bfloat16(device):
        logger.warning(
            "this CPU has no bfloat16: it is emulated, which is slow; set training.recipe.precision to float32"
        )
    initialise(model, recipe.initialisation)
    optimiser = optimiser_of(model, recipe)
    history: list[AnyRow] = []
    watched: list[Tensor] = []
    kept_weights: dict[str, Tensor] = {}
    # Of processes that train together each waits for the others: what one measured would be their rate.
    threads = Threads(torch.get_num_threads(), measure_threads and device.type == "cpu" and share().n == 1)
    is_dead = False
    checkpoint = folder / "checkpoint.pt"
    if (saved := _saved_state(checkpoint, description)) is not None:
        model.load_state_dict(saved["weights"])
        optimiser.load_state_dict(saved["optimiser"])
        history = [task.row.of_saved(row) for row in saved["history"]]
        watched, kept_weights, is_dead = saved["watched"], saved["kept_weights"], saved["is_dead"]
        threads.used.update(saved.get("threads", []))
    learns = learner(model, device)
    logger.info(
        "%s on %s, seed %d: %d patterns, epochs %d to %d, %s",
        *(description.model, description.dataset, seed, batches.n_patterns),
        *(len(history) + 1, recipe.epochs, describe_device(device)),
    )

    for number in range(len(history) + 1, recipe.epochs + 1):
        if is_dead:
            logger.warning("the gradient of the first layer is zero: training stops after epoch %d", number - 1)
            break
        if task.stop is not None and task.stop(history):
            logger.info("training has come to its end by its rule after epoch %d", number - 1)
            break
        started = time.perf_counter()
        torch.manual_seed(epoch_seed(seed, number, share().rank))  # of dropout, random triplets and missing parts
        train_loss, gradient = _train_epoch(learns, task, optimiser, batches, number, recipe, device, threads)
        train_seconds = time.perf_counter() - started
        validated = task.validate(model)
        if not math.isfinite(train_loss + validated["validation_loss"]):
            raise RuntimeError(
                f"epoch {number}: training loss {train_loss:g}, validation loss {validated['validation_loss']:g}; "
                "lower the recipe's learning_rate"
            )
        history.append(
            task.row(
                epoch=number,
                train_loss=train_loss,
                **validated,
                images_per_s=batches.n_patterns / train_seconds,
                seconds=time.perf_counter() - started,
            )
        )
        is_dead = gradient == 0 < train_loss and bool(history[-1].collapsed)
        if task.watch is not None:
            watched.append(task.watch(model))
        if kept_epoch(history, recipe.checkpoint).epoch == number:
            kept_weights = copy.deepcopy(model.state_dict())
        if is_first():
            state = {
                "description": asdict(description),
                "weights": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "history": [asdict(row) for row in history],
                "watched": watched,
                "kept_weights": kept_weights,
                "is_dead": is_dead,
                "threads": sorted(threads.used),
            }
            save(checkpoint, state)
            _report(history[-1], recipe.epochs, threads.number)

    if not is_first():
        return history
    kept = kept_epoch(history, recipe.checkpoint)
    save_model(folder / "model.pt", description, kept, kept_weights, task.domain())
    write_history(folder / "history.csv", history)
    write_json(
        folder / "training.json",
        {
            **asdict(description),
            "n_train": batches.n_patterns,
            **record,
            "n_parameters": sum(parameters.numel() for parameters in model.parameters()),
            "kept": asdict(kept),
            "collapsed": kept.collapsed,
            "is_dead": is_dead,
            "seconds": sum(row.seconds for row in history),
            "device": describe_device(device),
            "devices": share().n,
            "threads": sorted(threads.used),
            "torch": torch.__version__,
        },
    )
    if task.finish is not None:
        task.finish(watched)
    checkpoint.unlink()  # or a training asked for again, perhaps because the code changed, would find itself done
    return history


def _train_epoch(
    model: nn.Module,
    task: Task,
    optimiser: torch.optim.Optimizer | Together,
    batches: "Batches | FreshBatches | HitBatches",
    number: int,
    recipe: TrainingRecipe,
    device: torch.device,
    threads: Threads,
) -> tuple[float, float]:
    """One pass over the training split: the mean loss over its patterns, the largest gradient of the first layer."""
    model.train()
    # These stay there: asking for a number at every step would stall a GPU
    loss_sum, largest = torch.zeros((), device=device), torch.zeros((), device=device)
    first_layer = next(weights for weights in model.parameters() if weights.requires_grad)  # others may be frozen
    n_before, n_steps = (number - 1) * len(batches), recipe.epochs * len(batches)
    shown = progress(batches.epoch(number), f"epoch {number}/{recipe.epochs}", len(batches))
    threads.start_epoch()
    for step, mine in enumerate(shown, n_before):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate_factor(recipe.schedule, step, n_steps)
        n = min(recipe.batch_size, batches.n_patterns - (step - n_before) * recipe.batch_size)
        threads.before_step(n, partial(_try_step, model, task, mine, n, recipe, device))
        loss = _loss(model, task, mine, n, recipe, device)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.detach() * n
        if first_layer.grad is not None:
            largest = torch.maximum(largest, first_layer.grad.abs().amax())
    threads.end_epoch()
    return loss_sum.item() / batches.n_patterns, largest.item()


def _loss(model: nn.Module, task: Task, mine: Patterns, n: int, recipe: TrainingRecipe, device: torch.device) -> Tensor:
    """Of a batch of `n` patterns, of which `mine` are this process's."""
    images = torch.as_tensor(mine.images, device=device)
    if recipe.detector_dropout:
        images = without_parts(images, recipe.detector_dropout)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        outputs = model(network_input(images, recipe.input_transform, device))  # of (B, 1, ny, nx)
    outputs, patterns = gather_batch(outputs, mine, n)
    if task.lesson is None:
        return task.loss(outputs, patterns)
    told, _ = gather_batch(task.lesson.answers(images), mine, n)
    loss = recipe.teacher_weight * task.lesson.difference(outputs, told)
    return loss + recipe.label_weight * task.loss(outputs, patterns) if recipe.label_weight else loss


def _try_step(
    model: nn.Module, task: Task, mine: Patterns, n: int, recipe: TrainingRecipe, device: torch.device
) -> None:
    """The arithmetic of a step on a CPU, for its time alone: weights, statistics and random numbers stay as they were.

    The next step clears the gradients of whatever else the loss may have reached.
    """
    kept = [buffer.clone() for buffer in model.buffers()]  # batch normalisation's
    with torch.random.fork_rng(devices=[]):
        _loss(model, task, mine, n, recipe, device).backward()
    for buffer, was in zip(model.buffers(), kept, strict=True):
        buffer.copy_(was)
    model.zero_grad()


def rate_factor(schedule: Schedule, step: int, n_steps: int) -> float:
    """Learning rate at a step, 0 being the first of all, over the recipe's.

    Of the step alone: a resumed training goes on as it would have.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "exponential":
        return 1e-3 ** (step / n_steps)
    if schedule == "burn_in":
        return min(1.0, ((step + 1) / BURN_IN) ** 4)
    done, rising = (step + 1) / n_steps, 0.1
    return done / rising if done < rising else 0.5 * (1 + math.cos(math.pi * (done - rising) / (1 - rising)))


def _saved_state(checkpoint: Path, description: Described) -> dict[str, Any] | None:
    """What an interrupted training of exactly this left, if anything."""
    if not checkpoint.exists():
        return None
    saved = load(checkpoint)
    theirs, ours = saved.get("description", {}), asdict(description)
    if changed := [key for key in ours if theirs.get(key) != ours[key]]:
        logger.warning("%s is of another %s: training starts from scratch", checkpoint, ", ".join(changed))
        return None
    return saved


def _report(row: Row, n_epochs: int, n_threads: int) -> None:
    logger.info(
        "epoch %d/%d: training loss %.4f; validation loss %.4f, accuracy %.1f %%; %.0f images/s, %d threads, %.1f s",
        *(row.epoch, n_epochs, row.train_loss, row.validation_loss, 100 * row.validation_accuracy),
        *(row.images_per_s, n_threads, row.seconds),
    )
    if row.collapsed:
        logger.warning(
            "epoch %d: collapsed, no better than the majority class: %s", row.epoch, ", ".join(row.collapsed)
        )
