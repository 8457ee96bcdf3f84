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


def log1p(images: Tensor) -> Tensor:
    """Logarithm of photons and one, signed: read noise reaches below none."""
    return images.sign() * images.abs().log1p()


def anscombe(images: Tensor) -> Tensor:
    """2 √(photons + 3/8), whose variance is about 1 whatever the mean of a Poisson law; 0 below that root's start.

    Anscombe, Biometrika 35, 246 (1948).
    """
    return 2 * (images + 3 / 8).clamp(min=0).sqrt()


INPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "standardise": standardise,
    "photons": photons,
    "log1p": log1p,
    "anscombe": anscombe,
    "anscombe_standardise": lambda images: standardise(anscombe(images)),
}


def network_input(images: NDArray | Tensor, transform: str, device: torch.device) -> Tensor:
    """Stored patterns (B, ny, nx), counts or float, as (B, 1, ny, nx) float32 on the device, transformed."""
    return INPUTS[transform](torch.as_tensor(images, device=device).float()[:, None])
