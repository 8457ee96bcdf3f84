"""What a distilled network minimises, against loops over patterns and in closed form."""

import math

import torch

from train.losses.distillation import divergence, squared_distance


def by_hand(logits: torch.Tensor, of_teacher: torch.Tensor, temperature: float) -> float:
    """T² Σ p log(p / q), pattern by pattern and class by class."""
    total = 0.0
    for ours, theirs in zip(logits.tolist(), of_teacher.tolist(), strict=True):
        q, p = ([math.exp(value / temperature) for value in values] for values in (ours, theirs))
        q, p = [value / sum(q) for value in q], [value / sum(p) for value in p]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return temperature**2 * total / len(logits)


def test_divergence_is_the_sum_over_targets_of_a_loop_over_patterns():
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (
        {"count": torch.randn(7, 4, generator=generator), "which": torch.randn(7, 11, generator=generator)}
        for _ in range(2)
    )
    for temperature in (1.0, 3.0):
        expected = sum(by_hand(ours[name].double(), theirs[name].double(), temperature) for name in ours)
        assert math.isclose(divergence(ours, theirs, temperature).item(), expected, rel_tol=1e-5)


def test_probabilities_of_the_teacher_serve_as_well_as_its_logits():
    """A constant of a pattern's logits is no matter, and log softmax differs by one."""
    ours, theirs = torch.randn(5, 3), torch.randn(5, 3)
    log_probabilities = theirs.softmax(1).log()
    for temperature in (1.0, 2.0):
        one, other = (divergence({"a": ours}, {"a": told}, temperature) for told in (theirs, log_probabilities))
        assert torch.isclose(one, other, rtol=1e-5)


def test_a_network_that_answers_as_its_teacher_has_nothing_to_learn():
    logits = torch.randn(6, 4, requires_grad=True)
    loss = divergence({"a": logits}, {"a": logits.detach() + 5}, 2.0)
    loss.backward()
    assert abs(loss.item()) < 1e-6
    assert logits.grad.abs().max() < 1e-6


def test_of_two_classes_the_gradient_is_the_difference_of_probabilities():
    """d/dz of KL(p ‖ softmax z) is softmax z - p, divided by the number of patterns."""
    logits, theirs = torch.randn(4, 2, requires_grad=True), torch.randn(4, 2)
    divergence({"a": logits}, {"a": theirs}).backward()
    assert torch.allclose(logits.grad, (logits.detach().softmax(1) - theirs.softmax(1)) / 4, atol=1e-6)


def test_embeddings_are_compared_by_their_squared_distance():
    ours, theirs = torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[0.0, 1.0], [0.6, 0.8]])
    assert squared_distance(ours, theirs).item() == 1.0  # of 2 and 0
