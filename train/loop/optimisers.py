"""What turns gradients into steps."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from train.config.recipe import TrainingRecipe

NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315
"""Of Jordan's polynomial, which brings singular values, small ones too, to between 0.7 and 1.2 in a few rounds"""
ROUNDS = 5


class Muon(Optimizer):
    """Steps of equal length along every singular direction of a layer's weights, as a matrix (out, everything else).

    They go along the orthogonal factor of the momentum: what few patterns ask for is learned as fast as what all do.
    K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024); scaled to the size of AdamW's
    steps by J. Liu et al., arXiv 2502.16982 (2025), eq. 4, so that one learning rate serves both. Decay is decoupled.

    torch.optim.Muon is the same (its `match_rms_adamw`) of matrices alone and in bfloat16, which takes 20 times as long
    on a CPU that has none: three times as long as all else of a training step.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Along the gradients that the weights have."""
        for group in self.param_groups:
            for weights in group["params"]:
                state = self.state[weights]
                if not state:
                    state["momentum"] = torch.zeros_like(weights)
                momentum = state["momentum"].lerp_(weights.grad, 1 - group["momentum"])
                ahead = weights.grad.lerp(momentum, group["momentum"]).flatten(1)  # Nesterov's
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                length = 0.2 * math.sqrt(max(ahead.shape)) * group["lr"]
                weights.add_(orthogonal(ahead).view(weights.shape), alpha=-length)


class Together:
    """Several optimisers, each of its own weights, as one."""

    def __init__(self, *optimisers: Optimizer):
        self.optimisers = optimisers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of all."""
        return [group for optimiser in self.optimisers for group in optimiser.param_groups]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimiser in self.optimisers:
            optimiser.zero_grad()

    def step(self) -> None:
        """A step of each."""
        for optimiser in self.optimisers:
            optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        """Of each, by its place."""
        return {str(place): optimiser.state_dict() for place, optimiser in enumerate(self.optimisers)}

    def load_state_dict(self, states: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        for place, optimiser in enumerate(self.optimisers):
            optimiser.load_state_dict(states[str(place)])


def optimiser_of(model: nn.Module, recipe: TrainingRecipe) -> Optimizer | Together:
    """The recipe's, of all weights of a model. `muon` is for hidden layers: heads, biases and norms go by AdamW."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    match recipe.optimiser:
        case "adam":
            return Adam(model.parameters(), rate, weight_decay=decay, fused=True)
        case "adamw":
            return AdamW(model.parameters(), rate, weight_decay=decay, fused=True)
        case "sgd":
            return SGD(model.parameters(), rate, momentum=0.9, weight_decay=decay)
        case "muon":
            hidden: list[Tensor] = []
            rest: list[Tensor] = []
            for name, weights in model.named_parameters():
                (hidden if weights.ndim > 1 and not name.startswith("heads.") else rest).append(weights)
            return Together(Muon(hidden, rate, decay), AdamW(rest, rate, weight_decay=decay, fused=True))


def orthogonal(matrix: Tensor) -> Tensor:
    """About the orthogonal factor U Vᵀ of a matrix U S Vᵀ: its singular values lie between 0.7 and 1.2, not at 1."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    a, b, c = NEWTON_SCHULZ
    result = matrix / matrix.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result
