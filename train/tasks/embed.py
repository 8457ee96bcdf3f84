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
from train.batches.detector_dropout import without_parts
from train.config.recipe import Positives, TwinRecipe, support_rows
from train.inference.domain import domain_of
from train.inference.embed import embed_batches, embed_frames
from train.loop.checkpoint import TwinDescription, describe_twin, load_encoder, twin
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
    start: Path | None = None,
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
    start :    model.pt of a twin of this kind, whose weights training begins with.

    Raises
    ------
    KeyError    no network has that name.
    ValueError  it cannot embed, the images do not suit it, or nothing is left to learn from; `start`, or the recipe's
                teacher, does not suit or has seen what is held out.
    FileNotFoundError  there is no such teacher.
    """
    if unknown := sorted(set(held_out) - set(dataset.structures)):
        raise ValueError(f"held out are {unknown}, which are not among the structures of {dataset.name}")
    seed_process(seed)
    description = describe_twin(name, dataset, recipe, seed, sorted(held_out), start)
    model = twin(description, device)
    if start is not None:
        if recipe.starts_as_teacher:
            raise ValueError(f"a training begins with the weights of {start} or of its teacher, not of both")
        _begin_with(model, start, description)
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
        write_support(folder, dataset, device)

    domain = partial(domain_of, dataset, recipe, seen)
    record = {"n_validation": validation.n_patterns}
    lesson = None if teacher is None else Lesson(teacher.answers, squared_distance)
    task = Task(loss, validated, TwinEpoch, domain, lambda _: watched[0].cpu(), finish, lesson=lesson)
    return train_model(model, task, description, batches, device, folder, record, measure_threads)


def _begin_with(model: nn.Module, start: Path, description: TwinDescription) -> None:
    """Take over the weights of a trained twin; ValueError where it is of another kind or saw what is held out."""
    trained = load_encoder(start, torch.device("cpu"))
    theirs = trained.description
    kinds = [
        (one.model, one.recipe.embedding_dim, one.recipe.distance, one.hit_multiplicities, one.image_shape)
        for one in (theirs, description)
    ]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"{start}: model, embedding_dim, distance, numbers of particles and pixels are {kinds[0]}, expected "
            f"{kinds[1]}; begin with a twin of this kind"
        )
    if description.recipe.initialisation != "torch":
        raise ValueError(
            f"{start}: recipe.initialisation {description.recipe.initialisation} would overwrite its weights"
        )
    if seen := sorted((set(theirs.structures) - set(theirs.held_out)) & set(description.held_out)):
        raise ValueError(f"{start} learned from {seen[:10]}, which are held out; begin with a twin that did not")
    model.load_state_dict(trained.model.state_dict())


def write_support(folder: Path, dataset: "Dataset", device: torch.device) -> None:
    """Write `support.npz` beside the `model.pt` of a folder: training patterns that it learned from, as it knows them.

    Where its recipe lets parts of the detector be missing they are missing here, too, in as many patterns: the same of
    every twin of a dataset that holds out the same, so that twins can be asked beside each other.
    """
    path, trained = folder / "support.npz", load_encoder(folder / "model.pt", device)
    recipe = trained.description.recipe
    seen = [n for n, name in enumerate(dataset.structures) if name not in trained.description.held_out]
    rows = support_rows(dataset.splits["train"])
    batches = Batches(dataset, rows, inference_batch_size(device), recipe.memory_gb, structures=seen)
    hit_multiplicity = np.array(dataset.hit_multiplicities)[batches.labels[MULTIPLICITY]]
    parts: list[Tensor] = []
    photons: list[NDArray[np.float64]] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for some in batches.epoch():
            images = torch.as_tensor(np.asarray(some.images, np.float32))
            if recipe.detector_dropout:
                images = without_parts(images, recipe.detector_dropout)
            photons.append(images.double().sum((1, 2)).numpy())
            parts.append(torch.from_numpy(embed_frames(trained, images.numpy())))
    embeddings = torch.cat(parts)
    write_arrays(
        path,
        {
            "embeddings": embeddings.numpy(),
            "is_single": hit_multiplicity == 1,
            "structure": np.array(dataset.structures)[batches.labels[STRUCTURE]],
            "hit_multiplicity": hit_multiplicity,
            "photons": np.concatenate(photons),
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
