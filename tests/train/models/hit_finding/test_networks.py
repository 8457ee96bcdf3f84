"""Networks that find hits: sizes, shapes, invariances, frozen blocks and reversed gradients."""

import pytest
import torch

from train.batches.candidates import FEATURES, KEPT
from train.models.hit_finding.layers import DomainAdversarial, reversed_gradient
from train.models.hit_finding.registry import NETWORKS, build

SHAPES = {"cnn": (3, 1, 96, 96), "ke": (3, 1, 192, 192), "rows": (3, 1, 1, 96), "spots": (3, 1, KEPT, len(FEATURES))}


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_for_every_frame(name: str) -> None:
    torch.manual_seed(0)
    model = build(name)
    answers = model(torch.rand(SHAPES[name]))
    assert answers.shape == (3, 3 if name in ("ke", "spots") else 2)
    answers.sum().backward()
    assert model.base(torch.rand(SHAPES[name])).shape == (3, model.n_features)


def test_ke_has_7291_parameters_and_needs_no_averaging_at_720() -> None:
    model = build("ke")
    assert sum(p.numel() for p in model.parameters()) == 7291
    maps = model.base[:3](torch.rand(1, 1, 720, 720))
    assert model.base[3][:4](maps).shape == (1, 32, 3, 3)


def test_counter_is_small() -> None:
    assert sum(p.numel() for p in build("spots").parameters()) == 2 * 8 + 8 + 8 + 1 + 3


def test_vectors_are_seen_without_their_scale() -> None:
    model = build("rows", 2).eval()
    vectors = torch.rand(4, 1, 2, 80) + 0.1
    torch.testing.assert_close(model(vectors), model(1000 * vectors), rtol=1e-4, atol=1e-5)


def test_count_does_not_hang_on_order_or_on_empty_places() -> None:
    torch.manual_seed(1)
    model = build("spots").eval()
    table = torch.rand(2, 1, KEPT, len(FEATURES))
    table[..., -1] = 1
    table[:, :, 20:] = 0
    turned = table[:, :, torch.randperm(KEPT)]
    torch.testing.assert_close(model(table), model(turned))
    assert (model.base(table) <= 20).all()
    torch.testing.assert_close(model(table).exp().sum(1), torch.ones(2), atol=1e-5, rtol=0)


def test_more_spots_are_more_likely_a_hit() -> None:
    enough = build("spots").classifier
    p_miss = enough(torch.arange(30.0)[:, None]).exp()[:, 0]
    assert (p_miss.diff() < 0).all()
    assert p_miss[3] > 0.5 > p_miss[4]


def test_frozen_blocks_stay() -> None:
    torch.manual_seed(0)
    model = build("rows")
    model.freeze(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 0.1)
    model.train()
    model(torch.rand(8, 1, 1, 96)).square().sum().backward()
    optimiser.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert not [name for name in changed if name.startswith(("base.0", "base.1"))]
    model.freeze(0)
    assert all(p.requires_grad for p in model.parameters())
    with pytest.raises(ValueError, match="9 blocks are to be frozen, but the base has 3"):
        model.freeze(9)


def test_gradient_is_reversed_before_the_base_alone() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    (reversed_gradient(x, 0.3) * torch.tensor([5.0, 7.0])).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([-1.5, -2.1]))
    torch.manual_seed(0)
    model = DomainAdversarial(build("rows")).eval()
    vectors, grads = torch.rand(6, 1, 1, 96), []
    for strength in (1.0, -1.0):
        model.zero_grad()
        model.strength = strength
        model(vectors).domain[:, 0].sum().backward()
        grads.append([p.grad.clone() for p in (model.base[0][1].weight, model.domain[0].weight)])
    torch.testing.assert_close(grads[0][0], -grads[1][0])
    torch.testing.assert_close(grads[0][1], grads[1][1])


def test_unknown_name_is_told() -> None:
    with pytest.raises(KeyError, match="known: cnn, ke, rows, spots"):
        build("resnet")
