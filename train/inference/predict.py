"""Predictions of a trained classifier."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from train.batches.batches import Batches, Patterns
from train.batches.input_transforms import network_input
from train.inference.embed import must_fit
from train.loop.checkpoint import TrainedModel
from train.loop.threads import inference_batch_size, side_by_side
from train.models.heads import Logits

if TYPE_CHECKING:
    from frames.store.dataset import Dataset


@torch.inference_mode()
def infer(model: nn.Module, batches: Batches, transform: str, device: torch.device) -> Logits:
    """Logits (N, classes) on the device, in the order of the batches; leaves the model in evaluation mode."""
    model.eval()

    def logits(patterns: Patterns) -> Logits:
        return model(network_input(patterns.images, transform, device))

    outputs = list(side_by_side(logits, batches.epoch(), device))
    return joined(outputs)


def joined(outputs: Sequence[Logits]) -> Logits:
    """Logits of batches as those of all their patterns."""
    return {target: torch.cat([output[target] for output in outputs]) for target in outputs[0]}


def predict(
    trained: TrainedModel, dataset: "Dataset", rows: slice, batch_size: int | None = None, memory_gb: float = 1.0
) -> tuple[NDArray[np.float32], ...]:
    """Of each target, in the dataset's order, the probabilities of its classes (n, classes) for these rows.

    The same to the bit whenever it is asked on one machine, by however many threads. Patterns are read in whole
    shards, as many at once as `memory_gb` holds, or two.
    ValueError if the dataset's classes or images are not those the network was trained on.
    """
    trained.description.must_fit(dataset)
    device = next(trained.model.parameters()).device
    batches = Batches(dataset, rows, batch_size or inference_batch_size(device), memory_gb)
    logits = infer(trained.model, batches, trained.description.recipe.input_transform, device)
    return tuple(head.softmax(1).cpu().numpy() for head in logits.values())


@torch.inference_mode()
def predict_frames(trained: TrainedModel, frames: NDArray, batch_size: int = 256) -> tuple[NDArray[np.float32], ...]:
    """The same for frames (n, ny, nx), photons as the detector reads them; ValueError for another size."""
    must_fit(trained, frames.shape[1:])
    device, transform = next(trained.model.parameters()).device, trained.description.recipe.input_transform
    starts = range(0, len(frames), batch_size)
    logits = [trained.model(network_input(frames[at : at + batch_size], transform, device)) for at in starts]
    return tuple(head.softmax(1).cpu().numpy() for head in joined(logits).values())
