"""The loss against numbers worked out by hand."""

from math import exp, log

import pytest
import torch
from torch import Tensor

from train.losses.multi_output import multi_output_loss, ranked_probability_score

POSTER = {"hit_multiplicity": 4.0}


def heads(count: Tensor, particle: Tensor) -> dict[str, Tensor]:
    """Of two targets, logits or right answers."""
    return {"hit_multiplicity": count, "structure": particle}


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    logits = heads(torch.zeros(5, 4), torch.zeros(5, 11))
    loss = multi_output_loss(logits, heads(torch.arange(5) % 4, torch.arange(5)), POSTER)
    assert loss.item() == pytest.approx(4 * log(4) + log(11), rel=1e-6)


def test_two_patterns_by_hand():
    """CE = log(sum of exponentials) - right logit, averaged over the two patterns of each head."""
    logits = heads(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0, 3.0], [1.0, 0.0, 0.0]]))
    count_loss = ((log(exp(1) + 1) - 1) + (log(1 + exp(2)) - 0)) / 2
    particle_loss = ((log(2 + exp(3)) - 3) + (log(exp(1) + 2) - 0)) / 2
    count, particle = torch.tensor([0, 0]), torch.tensor([2, 1])
    loss = multi_output_loss(logits, heads(count, particle), {"hit_multiplicity": 2.5})
    assert loss.item() == pytest.approx(2.5 * count_loss + particle_loss, rel=1e-6)
    both = multi_output_loss(logits, heads(count, particle), POSTER).item()
    assert both == pytest.approx(4 * count_loss + particle_loss, rel=1e-6)
    alike = multi_output_loss(logits, heads(count, particle)).item()
    assert alike == pytest.approx(count_loss + particle_loss, rel=1e-6)


def test_shots_that_hit_nothing_have_a_count_and_no_structure():
    logits = heads(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0, 3.0], [1.0, 0.0, 0.0]]))
    count = torch.tensor([0, 0])
    count_loss = ((log(exp(1) + 1) - 1) + (log(1 + exp(2)) - 0)) / 2
    particle_loss = log(exp(1) + 2) - 0  # of the second pattern alone
    loss = multi_output_loss(logits, heads(count, torch.tensor([-1, 1])), POSTER)
    assert loss.item() == pytest.approx(4 * count_loss + particle_loss, rel=1e-6)


def test_a_batch_that_hit_nothing_teaches_the_count_alone():
    count_logits = torch.zeros(2, 2, requires_grad=True)
    particle_logits = torch.tensor([[5.0, 0.0, 3.0], [1.0, 0.0, 0.0]], requires_grad=True)
    loss = multi_output_loss(
        heads(count_logits, particle_logits), heads(torch.tensor([0, 1]), torch.tensor([-1, -1])), POSTER
    )
    loss.backward()
    assert loss.item() == pytest.approx(4 * log(2), rel=1e-6)
    assert torch.equal(particle_logits.grad, torch.zeros(2, 3))
    assert count_logits.grad.abs().min() > 0


def test_smoothed_labels_spread_a_share_over_all_classes():
    """By hand: a target of 1 - s + s/k on the right class and s/k on the others, with s 0.1."""
    logits = heads(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0, 3.0]]))
    log_count, log_particle = log(exp(1) + 1), log(2 + exp(3))
    count_loss = log_count - 0.95 * 1
    particle_loss = log_particle - (0.1 / 3) * 3
    loss = multi_output_loss(logits, heads(torch.tensor([0]), torch.tensor([0])), POSTER, label_smoothing=0.1)
    assert loss.item() == pytest.approx(4 * count_loss + particle_loss, rel=1e-6)


def test_ranked_probabilities_cost_by_how_far_they_are():
    """By hand: P is (1/2, 1/4, 1/4), its sums 1/2, 3/4, 1. Nearer answers cost less, a sure right one nothing."""
    logits = torch.tensor([[log(2), 0.0, 0.0], [log(2), 0.0, 0.0]])
    first, last = 0.5**2 + 0.25**2, 0.5**2 + 0.75**2
    assert ranked_probability_score(logits, torch.tensor([0, 2])).item() == pytest.approx((first + last) / 2, rel=1e-6)
    sure = 100 * torch.eye(4)
    costs = [ranked_probability_score(sure[:1], torch.tensor([right])).item() for right in range(4)]
    assert costs == pytest.approx([0, 1, 2, 3])


def test_an_ordinal_weight_adds_the_ranked_probability_score_of_the_count():
    logits = heads(torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.0, 3.0]]))
    right = heads(torch.tensor([1]), torch.tensor([0]))
    plain = multi_output_loss(logits, right)
    added = multi_output_loss(logits, right, ordinal_weight=1.5, ordinal=["hit_multiplicity"]) - plain
    expected = 1.5 * ranked_probability_score(logits["hit_multiplicity"], right["hit_multiplicity"]).item()
    assert added.item() == pytest.approx(expected, rel=1e-5)
    assert multi_output_loss(logits, right, ordinal_weight=1.5) == plain


def test_no_answer_has_no_rank() -> None:
    logits, right = torch.tensor([[log(2), 0.0, 0.0], [9.0, 0.0, 0.0]]), torch.tensor([2, -1])
    alone = ranked_probability_score(logits[:1], right[:1])
    assert ranked_probability_score(logits, right).item() == pytest.approx(alone.item(), rel=1e-6)
    assert ranked_probability_score(logits[1:], right[1:]) == 0
