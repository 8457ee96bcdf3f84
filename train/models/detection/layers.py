"""What darknet's networks are made of."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

SLOPE = 0.1
"""Of darknet's leaky rectifier, below zero."""

EPSILON = 1e-6
"""Added to variances; darknet adds it to deviations, which for deviations far above it is nearly the same."""


def channels(full: int, width: float) -> int:
    """So many of `full` channels, a multiple of 8 and at least 8: a reorganised map has to be cut in four."""
    return max(8, 8 * round(full * width / 8))


class Convolution(nn.Module):
    """Convolution without bias, normalised, leaky: (B, n_in, y, x) -> (B, n_out, y / stride, x / stride)."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, momentum: float = 0.1):
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(n_out, EPSILON, momentum)

    def forward(self, maps: Tensor) -> Tensor:
        """As the class says."""
        return nn.functional.leaky_relu(self.norm(self.convolution(maps)), SLOPE)


class Residual(nn.Module):
    """A convolution to half of the channels, one back, and the identity beside them."""

    def __init__(self, n: int, momentum: float = 0.1):
        super().__init__()
        self.narrow = Convolution(n, channels(n // 2, 1), 1, momentum=momentum)
        self.wide = Convolution(channels(n // 2, 1), n, 3, momentum=momentum)

    def forward(self, maps: Tensor) -> Tensor:
        """As the class says."""
        return maps + self.wide(self.narrow(maps))


class Reorganised(nn.Module):
    """Blocks of 2 x 2 pixels as channels, in darknet's order: (B, c, y, x) -> (B, 4 c, y / 2, x / 2).

    Darknet reads the map as c / 4 channels of twice the height and width, takes each of the four phases of these, and
    lays the result out as 4 c channels. Weights that darknet trained mean this order and no other.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """As the class says; ValueError where channels or pixels do not divide."""
        n, c, y, x = maps.shape
        if c % 4 or y % 2 or x % 2:
            raise ValueError(f"a map of {c} x {y} x {x} cannot be reorganised: expected c % 4 = y % 2 = x % 2 = 0")
        phases = maps.reshape(n, c // 4, y, 2, x, 2).permute(0, 3, 5, 1, 2, 4)
        return phases.reshape(n, 4 * c, y // 2, x // 2)


def alternating(n_in: int, full: int, kernels: Sequence[int], width: float, momentum: float) -> nn.Sequential:
    """Convolutions of 3 x 3 to `full` channels and of 1 x 1 to half of them, in the order of the kernels."""
    layers, n = [], n_in
    for kernel in kernels:
        n_out = channels(full if kernel == 3 else full // 2, width)
        layers.append(Convolution(n, n_out, kernel, momentum=momentum))
        n = n_out
    return nn.Sequential(*layers)


def n_parameters(module: nn.Module) -> int:
    """Weights that are learned."""
    return sum(weights.numel() for weights in module.parameters())


def n_convolutions(module: nn.Module) -> int:
    """Convolutions of a network."""
    return sum(isinstance(part, nn.Conv2d) for part in module.modules())


def averaged(maps: Tensor) -> Tensor:
    """(B, c, y, x) -> (B, c): the mean over the map, as darknet's classifiers end."""
    return torch.flatten(nn.functional.adaptive_avg_pool2d(maps, 1), 1)
