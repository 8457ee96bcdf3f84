"""Initial weights: the variance asked for, and what becomes of the signal."""

import pytest
import torch
from torch import nn

from support.heads import sizes
from train.loop.initialise import initialise
from train.models.registry import build


def test_he_draws_the_variance_it_is_named_for() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 128, 3)
    initialise(layer, "he")
    n = layer.weight.numel()
    # The variance of n normal numbers has a relative standard error of sqrt(2/n).
    assert layer.weight.var().item() == pytest.approx(2 / (64 * 9), rel=5 * (2 / n) ** 0.5)
    assert not layer.bias.any()


def test_torch_leaves_what_was_drawn() -> None:
    torch.manual_seed(0)
    model = build("late10", sizes(3, 2))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    initialise(model, "torch")
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_the_signal_survives_he_and_not_the_default() -> None:
    """How much the last features differ between patterns, for inputs of unit variance."""
    spread = {}
    for how in ("torch", "he"):
        torch.manual_seed(0)
        model = build("late10", sizes(3, 2)).eval()
        initialise(model, how)
        with torch.inference_mode():
            features = model.convolutions(torch.randn(32, 1, 128, 128))
        spread[how] = features.std(dim=0).mean().item()
    assert spread["he"] > 0.05
    # A sixth of the variance a layer, over nine layers: (1/6)^(9/2) = 3e-4, and less where a ReLU cuts the mean.
    assert spread["torch"] < 1e-3
