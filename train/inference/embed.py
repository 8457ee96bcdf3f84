"""Embeddings of patterns by a trained twin network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from train.batches.batches import Batches, Patterns
from train.batches.input_transforms import network_input
from train.inference.domain import must_be_of
from train.loop.checkpoint import TrainedEncoder, TrainedModel
from train.loop.threads import inference_batch_size, side_by_side


@torch.inference_mode()
def embed_batches(model: nn.Module, batches: Batches, transform: str, device: torch.device) -> Tensor:
    """Embeddings (N, d) on the device, in the order of the batches; leaves the model in evaluation mode."""
    model.eval()

    def embed(patterns: Patterns) -> Tensor:
        return model(network_input(patterns.images, transform, device))

    return torch.cat(list(side_by_side(embed, batches.epoch(), device)))


@torch.inference_mode()
def embed_frames(trained: TrainedEncoder, frames: NDArray) -> NDArray[np.float32]:
    """Embeddings (n, d) of frames (n, ny, nx), photons as the detector reads them; ValueError for another size."""
    must_fit(trained, frames.shape[1:])
    device, transform = next(trained.model.parameters()).device, trained.description.recipe.input_transform
    n = inference_batch_size(device)

    def embed(start: int) -> Tensor:
        return trained.model(network_input(frames[start : start + n], transform, device)).cpu()

    return torch.cat(list(side_by_side(embed, range(0, len(frames), n), device))).numpy()


def must_fit(trained: TrainedEncoder | TrainedModel, image_shape: tuple[int, ...]) -> None:
    """ValueError unless images have the shape that the network was trained on."""
    must_be_of(image_shape, trained.description.model, trained.description.image_shape)
