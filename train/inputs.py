"""From stored patterns to what a network sees; computed on the device."""

from collections.abc import Callable

import torch
from numpy.typing import NDArray
from torch import Tensor


def standardise(images: Tensor) -> Tensor:
    """Each image (..., ny, nx) float with zero mean and unit variance; a constant image becomes zeros.

    The poster's input. It carries no scale, so neither the fluence nor the total intensity tells the count.
    """
    centred = images - images.mean((-2, -1), keepdim=True)
    deviation = centred.square().mean((-2, -1), keepdim=True).sqrt()
    # Not `deviation > 0`: the mean of equal values is rounded, and dividing would blow that up to ±1.
    constant = images.amax((-2, -1), keepdim=True) == images.amin((-2, -1), keepdim=True)
    return centred / torch.where(constant, torch.inf, deviation)


def photons(images: Tensor) -> Tensor:
    """Each image as the detector reads it: the network finds a scale of its own, and sees the fluence."""
    return images


INPUTS: dict[str, Callable[[Tensor], Tensor]] = {"standardise": standardise, "photons": photons}


def network_input(images: NDArray | Tensor, transform: str, device: torch.device) -> Tensor:
    """Stored patterns (B, ny, nx), counts or float, as (B, 1, ny, nx) float32 on the device, transformed."""
    return INPUTS[transform](torch.as_tensor(images, device=device).float()[:, None])
