"""Training a twin network: embeddings in which positives lie near each other."""

import math
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from frames.files import sha256, write_arrays
from frames.targets import MULTIPLICITY, STRUCTURE
from train.batches.batches import Batches, Patterns
from train.config.recipe import N_SUPPORT, Positives, TwinRecipe
from train.inference.domain import domain_of
from train.inference.embed import embed_batches
from train.loop.checkpoint import describe_twin, load_encoder, twin
from train.loop.history import TwinEpoch, TwinHistory
from train.loop.threads import inference_batch_size
from train.loop.training_loop import Lesson, Task, seed_process, train_model, training_batches
from train.losses.distillation import squared_distance
from train.losses.miners import MINERS
from train.losses.triplet import distances, proxy_loss, triplet_loss
from train.models.encoder import Embedding
from train.tasks.teacher import taught

if TYPE_CHECKING:
    from frames.store.dataset import Dataset
    from train.batches.fresh import PatternSource

ONE_IN_TWENTY = 1.645
"""Standard deviations that a twentieth of a normal distribution lies above."""

WATCHED = 1000
"""Patterns of the validation split whose embeddings are kept of every epoch, at most."""


def fit_twin(
    name: str,
    dataset: "Dataset",
    recipe: TwinRecipe,
    seed: int,
    device: torch.device,
    folder: Path,
    held_out: Collection[str] = (),
    source: "PatternSource | None" = None,
    measure_threads: bool = True,
) -> TwinHistory:
    """Train network `name` as an encoder on the training split of `dataset`, without the structures held out.

    Beside what `train.loop.training_loop.train_model` writes, `support.npz` holds embeddings (n, d) of stored training
    patterns, with `is_single`, `structure`, `hit_multiplicity` and `photons` (n,), and the sha256 of `model.pt`: what
    single and multiple hits look like to the network. And `evolution.npz` holds those of some validation patterns after
    every epoch (epochs, n, d), and which of these are single hits.

    Parameters
    ----------
    held_out : ids of structures whose patterns are neither learned from nor validated on.
    source :   that training patterns are rendered from, where the recipe says `on_the_fly`.
    measure_threads : False takes as many as torch has, all the time.

    Raises
    ------
    KeyError    no network has that name.
    ValueError  it cannot embed, the images do not suit it, or nothing is left to learn from; the recipe's teacher does
                not suit, or learned from structures held out.
    FileNotFoundError  there is no such teacher.
    """
    if unknown := sorted(set(held_out) - set(dataset.structures)):
        raise ValueError(f"held out are {unknown}, which are not among the structures of {dataset.name}")
    seed_process(seed)
    description = describe_twin(name, dataset, recipe, seed, sorted(held_out))
    model = twin(description, device)
    teacher = taught(description, model, device, held_out)
    seen = [index for index, structure in enumerate(dataset.structures) if structure not in held_out]
    if not seen:
        raise ValueError(f"every structure of {dataset.name} is held out: {sorted(held_out)}")
    batches = training_batches(dataset, recipe, seed, device, source, seen)
    validation = Batches(dataset, dataset.splits["validation"], recipe.batch_size, recipe.memory_gb, structures=seen)
    multiplicities = np.array(dataset.hit_multiplicities)
    is_single = multiplicities[validation.labels[MULTIPLICITY]] == 1
    watched: list[Tensor] = []
    proxies = cast(Embedding, model.heads).proxies

    def loss(embeddings: Tensor, patterns: Patterns) -> Tensor:
        kinds = positive_labels(
            recipe.positives, multiplicities[patterns.labels[MULTIPLICITY]], patterns.labels[STRUCTURE]
        )
        labels = torch.from_numpy(kinds).to(device)
        distance_matrix = distances(embeddings, embeddings, recipe.distance)
        triplets = MINERS[recipe.mining](distance_matrix.detach(), labels, None)
        loss = triplet_loss(distance_matrix, triplets, recipe.margin)
        if proxies is None:
            return loss
        number = torch.from_numpy(patterns.labels[MULTIPLICITY]).to(device)
        return loss + recipe.proxy_weight * proxy_loss(embeddings, proxies, number)

    def validated(model: nn.Module) -> dict[str, Any]:
        embeddings = embed_batches(model, validation, recipe.input_transform, device)
        watched[:] = [embeddings[:WATCHED].clone()]
        labels = torch.from_numpy(is_single).to(device)
        predicted = nearest_centroid(embeddings, labels)
        return {
            "validation_loss": _mean_loss(embeddings, validation, loss),
            "validation_accuracy": (predicted == labels).double().mean().item(),
            "spread": (embeddings - embeddings.mean(0)).square().sum(1).mean().sqrt().item(),
            "embedding_collapsed": tells_nothing_apart(predicted, labels),
        }

    def finish(evolution: list[Tensor]) -> None:
        arrays = {"embeddings": torch.stack(evolution).numpy(), "is_single": is_single[:WATCHED]}
        write_arrays(folder / "evolution.npz", arrays)
        train = dataset.splits["train"]
        rows = slice(train.start, min(train.start + N_SUPPORT, train.stop))
        known = Batches(dataset, rows, inference_batch_size(device), recipe.memory_gb, structures=seen)
        encoder = load_encoder(folder / "model.pt", device).model
        embeddings = embed_batches(encoder, known, recipe.input_transform, device)
        _write_support(folder / "support.npz", embeddings, dataset, known)

    domain = partial(domain_of, dataset, recipe, seen)
    record = {"n_validation": validation.n_patterns}
    lesson = None if teacher is None else Lesson(teacher.answers, squared_distance)
    task = Task(loss, validated, TwinEpoch, domain, lambda _: watched[0].cpu(), finish, lesson=lesson)
    return train_model(model, task, description, batches, device, folder, record, measure_threads)


def _write_support(path: Path, embeddings: Tensor, dataset: "Dataset", batches: Batches) -> None:
    """Embeddings (n, d) of the patterns of the batches, with what these are."""
    hit_multiplicity = np.array(dataset.hit_multiplicities)[batches.labels[MULTIPLICITY]]
    photons = np.concatenate([np.asarray(some.images).sum((1, 2), dtype=np.float64) for some in batches.epoch()])
    write_arrays(
        path,
        {
            "embeddings": embeddings.cpu().numpy(),
            "is_single": hit_multiplicity == 1,
            "structure": np.array(dataset.structures)[batches.labels[STRUCTURE]],
            "hit_multiplicity": hit_multiplicity,
            "photons": photons,
            "model": sha256(path.with_name("model.pt")),
        },
    )


def tells_nothing_apart(predicted: Tensor, labels: Tensor) -> bool:
    """Whether predictions (n,) by the nearer mean are no better than chance: the balanced accuracy, against 0.5.

    The nearer mean weighs both classes alike, however rare single hits are, so the share of the more frequent class is
    no reference. Of embeddings without any meaning a twentieth pass.
    """
    n_single, n_multiple = int(labels.sum()), int((~labels).sum())
    if not (n_single and n_multiple):
        return False
    if len(predicted.unique()) == 1:
        return True
    balanced = ((predicted[labels]).double().mean() + (~predicted[~labels]).double().mean()).item() / 2
    deviation = math.sqrt(1 / n_single + 1 / n_multiple) / 4
    return balanced <= 0.5 + ONE_IN_TWENTY * deviation


def positive_labels(
    which: Positives, hit_multiplicity: NDArray[np.int64], structure: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(n,) labels that are equal where patterns are positives of each other.

    Parameters
    ----------
    hit_multiplicity : (n,) particles. structure : (n,) index of what they are.
    """
    if which == "single":
        return (hit_multiplicity == 1).astype(np.int64)
    if which == "multiplicity":
        return hit_multiplicity
    return structure * (hit_multiplicity.max(initial=0) + 1) + hit_multiplicity


def nearest_centroid(embeddings: Tensor, is_single: Tensor) -> Tensor:
    """(n,) bool which patterns are predicted single: nearer to the single hits' mean of the other half of the patterns.

    Halves are every second pattern: no pattern is compared with a mean that it is part of.
    """
    predicted = torch.zeros_like(is_single)
    for half in (0, 1):
        mine = torch.arange(len(embeddings), device=embeddings.device) % 2 == half
        single, multiple = (embeddings[~mine & which].mean(0) for which in (is_single, ~is_single))
        squared = [(embeddings[mine] - centre).square().sum(1) for centre in (single, multiple)]
        predicted[mine] = squared[0] < squared[1]
    return predicted


def _mean_loss(embeddings: Tensor, validation: Batches, loss: Any) -> float:
    """Over the batches of the validation split, as they come."""
    total, start = 0.0, 0
    torch.manual_seed(0)  # of random triplets: the same in every epoch
    for patterns in validation.epoch():
        total += loss(embeddings[start : start + len(patterns)], patterns).item() * len(patterns)
        start += len(patterns)
    return total / start
