"""Muon against singular values, against torch's own, and beside AdamW."""

import pytest
import torch

from support.heads import sizes
from train.config.recipe import Recipe
from train.loop.optimisers import NEWTON_SCHULZ, ROUNDS, Muon, Together, optimiser_of, orthogonal
from train.models.registry import build


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(16, 150), (64, 12), (32, 32)])
def test_orthogonal_maps_singular_values_and_nothing_else(shape):
    """In closed form: an odd polynomial of a matrix is that of its singular values, between the same directions."""
    matrix = torch.randn(shape, dtype=torch.float64)
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    a, b, c = NEWTON_SCHULZ
    values = s / s.norm()
    for _ in range(ROUNDS):
        values = a * values + b * values**3 + c * values**5
    torch.testing.assert_close(orthogonal(matrix), u @ torch.diag(values) @ vh)


def test_singular_values_of_every_size_end_near_one():
    """From a hundredth of the length of the whole upwards."""
    u, v = (torch.linalg.qr(torch.randn(20, 20, dtype=torch.float64))[0] for _ in range(2))
    ends = torch.linalg.svdvals(orthogonal(u @ torch.diag(torch.logspace(-1.5, 0, 20, dtype=torch.float64)) @ v))
    assert 0.65 < ends.min() <= ends.max() < 1.25


def test_steps_are_those_of_torch():
    """torch's work in bfloat16: five rounds of three products, each rounded to 2⁻⁸ of its size."""
    start, gradients = torch.randn(24, 60), torch.randn(4, 24, 60)
    ends = []
    for kind, how in ((Muon, {}), (torch.optim.Muon, {"adjust_lr_fn": "match_rms_adamw"})):
        weights = start.clone().requires_grad_()
        optimiser = kind([weights], lr=1e-2, weight_decay=0.1, **how)
        for gradient in gradients:
            weights.grad = gradient
            optimiser.step()
        ends.append(weights.detach())
    moved = (ends[0] - start).norm()
    assert (ends[0] - ends[1]).norm() < 15 * 2**-8 * moved
    assert moved > 0.5 * len(gradients) ** 0.5 * 0.2 * 60**0.5 * 1e-2 * 0.7 * 24**0.5  # four such steps were taken


def test_the_layout_of_weights_changes_nothing():
    """Channels last, as the networks' are, or not."""
    weights, gradient = torch.randn(8, 4, 3, 3), torch.randn(8, 4, 3, 3)
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        mine = weights.clone(memory_format=layout).requires_grad_()
        mine.grad = gradient.clone(memory_format=layout)
        Muon([mine], lr=0.1, weight_decay=0.0).step()
        ends.append(mine.detach())
    torch.testing.assert_close(*ends)
    assert (ends[0] != weights).all()


def test_every_weight_is_one_optimisers_and_heads_and_vectors_are_adamws():
    model = build("folded", sizes(3, 2))
    optimiser = optimiser_of(model, Recipe(optimiser="muon"))
    assert isinstance(optimiser, Together)
    hidden, rest = (
        [weights for group in each.param_groups for weights in group["params"]] for each in optimiser.optimisers
    )
    assert sorted(map(id, hidden + rest)) == sorted(map(id, model.parameters()))
    assert all(weights.ndim > 1 for weights in hidden)
    assert {id(model.heads.layers["of_hit_multiplicity"].weight), id(model.heads.layers["of_structure"].weight)} <= set(
        map(id, rest)
    )
    assert sum(weights.ndim > 1 for weights in rest) == 2


def test_a_rate_set_in_the_groups_is_that_of_both():
    """As the schedule sets it; also after a state was loaded, when the groups are others."""
    model = build("late3", sizes(2, 2))
    before = [weights.clone() for weights in model.parameters()]
    optimiser = optimiser_of(model, Recipe(optimiser="muon"))
    optimiser.load_state_dict(optimiser.state_dict())
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    for weights in model.parameters():
        weights.grad = torch.randn_like(weights)
    optimiser.step()
    assert all((weights == old).all() for weights, old in zip(model.parameters(), before, strict=True))
    for group in optimiser.param_groups:
        group["lr"] = 1e-3
    optimiser.step()
    assert all((weights != old).any() for weights, old in zip(model.parameters(), before, strict=True))
    optimiser.zero_grad()
    assert all(weights.grad is None for weights in model.parameters())
