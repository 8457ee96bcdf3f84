"""The loss against numbers worked out by hand."""

from math import exp, log

import pytest
import torch

from train.losses.multi_output import multi_output_loss, ranked_probability_score
from train.models.heads import Logits


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    logits = Logits(torch.zeros(5, 4), torch.zeros(5, 11))
    loss = multi_output_loss(logits, torch.arange(5) % 4, torch.arange(5))
    assert loss.item() == pytest.approx(4 * log(4) + log(11), rel=1e-6)


def test_two_patterns_by_hand():
    """CE = log(sum of exponentials) - right logit, averaged over the two patterns of each head."""
    logits = Logits(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0, 3.0], [1.0, 0.0, 0.0]]))
    count_loss = ((log(exp(1) + 1) - 1) + (log(1 + exp(2)) - 0)) / 2
    particle_loss = ((log(2 + exp(3)) - 3) + (log(exp(1) + 2) - 0)) / 2
    count, particle = torch.tensor([0, 0]), torch.tensor([2, 1])
    loss = multi_output_loss(logits, count, particle, count_weight=2.5)
    assert loss.item() == pytest.approx(2.5 * count_loss + particle_loss, rel=1e-6)
    assert multi_output_loss(logits, count, particle).item() == pytest.approx(4 * count_loss + particle_loss, rel=1e-6)


def test_shots_that_hit_nothing_have_a_count_and_no_structure():
    logits = Logits(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0, 3.0], [1.0, 0.0, 0.0]]))
    count = torch.tensor([0, 0])
    count_loss = ((log(exp(1) + 1) - 1) + (log(1 + exp(2)) - 0)) / 2
    particle_loss = log(exp(1) + 2) - 0  # of the second pattern alone
    loss = multi_output_loss(logits, count, torch.tensor([-1, 1]))
    assert loss.item() == pytest.approx(4 * count_loss + particle_loss, rel=1e-6)


def test_a_batch_that_hit_nothing_teaches_the_count_alone():
    count_logits = torch.zeros(2, 2, requires_grad=True)
    particle_logits = torch.tensor([[5.0, 0.0, 3.0], [1.0, 0.0, 0.0]], requires_grad=True)
    loss = multi_output_loss(Logits(count_logits, particle_logits), torch.tensor([0, 1]), torch.tensor([-1, -1]))
    loss.backward()
    assert loss.item() == pytest.approx(4 * log(2), rel=1e-6)
    assert torch.equal(particle_logits.grad, torch.zeros(2, 3))
    assert count_logits.grad.abs().min() > 0


def test_smoothed_labels_spread_a_share_over_all_classes():
    """By hand: a target of 1 - s + s/k on the right class and s/k on the others, with s 0.1."""
    logits = Logits(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0, 3.0]]))
    log_count, log_particle = log(exp(1) + 1), log(2 + exp(3))
    count_loss = log_count - 0.95 * 1
    particle_loss = log_particle - (0.1 / 3) * 3
    loss = multi_output_loss(logits, torch.tensor([0]), torch.tensor([0]), 4.0, label_smoothing=0.1)
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
    logits = Logits(torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.0, 3.0]]))
    count, particle = torch.tensor([1]), torch.tensor([0])
    added = multi_output_loss(logits, count, particle, ordinal_weight=1.5) - multi_output_loss(logits, count, particle)
    assert added.item() == pytest.approx(1.5 * ranked_probability_score(logits.count, count).item(), rel=1e-5)
