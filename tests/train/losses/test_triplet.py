"""Triplets against a triple loop over hand-placed points, and the loss against its definition."""

import itertools
import math

import pytest
import torch
from torch.nn.functional import normalize

from train.losses.miners import MINERS, Triplets, batch_hard, random_triplets, semi_hard
from train.losses.triplet import distances, proxy_loss, triplet_loss

# On a line: class 0 at 0, 1, 5; class 1 at 2, 9; class 2, alone in its class, at 20.
POINTS = torch.tensor([0.0, 1.0, 5.0, 2.0, 9.0, 20.0])[:, None]
LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
DISTANCE_MATRIX = (POINTS - POINTS.T).abs()


def every_triplet(labels):
    """Anchor, positive, negative, by the definition."""
    rows = range(len(labels))
    return [
        (a, p, n)
        for a, p, n in itertools.product(rows, rows, rows)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def as_set(triplets):
    return set(zip(*(part.tolist() for part in triplets), strict=True))


def hardest(distance_matrix, labels):
    """Batch-hard by a loop."""
    found = set()
    for anchor in {a for a, _, _ in every_triplet(labels)}:
        mine = [(p, n) for a, p, n in every_triplet(labels) if a == anchor]
        found.add(
            (
                anchor,
                max((p for p, _ in mine), key=lambda p: distance_matrix[anchor][p]),
                min((n for _, n in mine), key=lambda n: distance_matrix[anchor][n]),
            )
        )
    return found


def half_hard(distance_matrix, labels):
    """Semi-hard by a loop."""
    found = set()
    for anchor, positive in {(a, p) for a, p, _ in every_triplet(labels)}:
        negatives = [n for a, p, n in every_triplet(labels) if (a, p) == (anchor, positive)]
        beyond = [n for n in negatives if distance_matrix[anchor][n] > distance_matrix[anchor][positive]]
        chosen = (
            min(beyond, key=lambda n: distance_matrix[anchor][n])
            if beyond
            else max(negatives, key=lambda n: distance_matrix[anchor][n])
        )
        found.add((anchor, positive, chosen))
    return found


def test_mining_by_hand():
    """Point 5 of class 0 has its positives at 5 and 4, its negatives at 3, 4 and 15."""
    assert {(a, p, n) for a, p, n in as_set(batch_hard(DISTANCE_MATRIX, LABELS)) if a == 2} == {(2, 0, 3)}
    # beyond the positive at 5 the nearest negative is the one at 15; beyond that at 4, too: 4 is not farther than 4
    assert {(a, p, n) for a, p, n in as_set(semi_hard(DISTANCE_MATRIX, LABELS)) if a == 2} == {(2, 0, 5), (2, 1, 5)}
    # the pair 9, 2 of class 1: 7 apart; from 9 the negatives are at 9, 8, 4, 11
    assert (4, 3, 1) in as_set(semi_hard(DISTANCE_MATRIX, LABELS))


@pytest.mark.parametrize("seed", range(5))
def test_mining_is_the_triple_loop(seed):
    generator = torch.Generator().manual_seed(seed)
    points, labels = torch.randn(12, 3, generator=generator), torch.randint(0, 3, (12,), generator=generator)
    distance_matrix = distances(points, points, "squared_l2")
    table = distance_matrix.tolist()
    assert as_set(batch_hard(distance_matrix, labels)) == hardest(table, labels.tolist())
    assert as_set(semi_hard(distance_matrix, labels)) == half_hard(table, labels.tolist())


def test_where_every_negative_is_nearer_than_the_positive_the_farthest_is_taken():
    points, labels = torch.tensor([[0.0], [10.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    triplets = as_set(semi_hard(distances(points, points, "rms"), labels))
    assert (0, 1, 3) in triplets


def test_where_all_points_are_one_the_farthest_is_a_negative_still():
    labels = torch.tensor([0, 0, 1, 1])
    triplets = as_set(semi_hard(torch.zeros(4, 4), labels))
    assert {(a, p) for a, p, _ in triplets} == {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert triplets <= set(every_triplet(labels.tolist()))


def test_random_triplets_are_triplets_and_all_of_them_come():
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(300):
        drawn = as_set(random_triplets(DISTANCE_MATRIX, LABELS, generator))
        assert {a for a, _, _ in drawn} == {0, 1, 2, 3, 4}  # the one without a positive is no anchor
        seen |= drawn
    # Of 21 triplets the rarest comes with probability 1/6 each time: (5/6)^300 is 1e-24.
    assert seen == set(every_triplet(LABELS.tolist()))


def test_random_triplets_are_those_of_the_seed():
    labels = torch.arange(60) % 2
    once, again = (random_triplets(torch.zeros(60, 60), labels, torch.Generator().manual_seed(4)) for _ in range(2))
    assert as_set(once) == as_set(again)


@pytest.mark.parametrize("name", MINERS)
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]], ids=["one class", "nobody alike"])
def test_a_batch_without_triplets_costs_nothing(name, labels):
    points = torch.randn(3, 2, requires_grad=True)
    distance_matrix = distances(points, points, "rms")
    loss = triplet_loss(distance_matrix, MINERS[name](distance_matrix, torch.tensor(labels), None), 0.5)
    loss.backward()
    assert loss == 0
    assert points.grad is not None
    assert not points.grad.any()


def test_distances_by_definition():
    one, other = torch.randn(4, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    for i, j in itertools.product(range(4), range(3)):
        squares = [(a - b) ** 2 for a, b in zip(one[i].tolist(), other[j].tolist(), strict=True)]
        assert distances(one, other, "squared_l2")[i, j].item() == pytest.approx(sum(squares))
        assert distances(one, other, "rms")[i, j].item() == pytest.approx((sum(squares) / 6) ** 0.5)


def test_the_loss_by_definition():
    triplets = batch_hard(DISTANCE_MATRIX, LABELS)
    for margin in (0.0, 0.5, 20.0):
        expected = [
            max(DISTANCE_MATRIX[a, p].item() - DISTANCE_MATRIX[a, n].item() + margin, 0) for a, p, n in as_set(triplets)
        ]
        assert triplet_loss(DISTANCE_MATRIX, triplets, margin).item() == pytest.approx(sum(expected) / len(expected))


def test_the_loss_by_hand():
    """Anchor 0, positive 1 away: a negative 20 away costs nothing, one 2 away 1 - 2 + 1.5."""
    triplets = Triplets(torch.tensor([0, 0]), torch.tensor([1, 1]), torch.tensor([5, 3]))
    assert triplet_loss(DISTANCE_MATRIX, triplets, 1.5).item() == pytest.approx((0 + 0.5) / 2)


def test_two_equal_embeddings_have_a_finite_gradient():
    """The root of zero has none; a collapsed network would turn to nan."""
    points = torch.zeros(4, 3, requires_grad=True)
    distance_matrix = distances(points, points, "rms")
    assert not distance_matrix.any()
    triplet_loss(distance_matrix, batch_hard(distance_matrix, torch.tensor([0, 0, 1, 1])), 0.2).backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


def test_the_proxy_loss_by_definition():
    embeddings, proxies = normalize(torch.randn(7, 3, dtype=torch.float64)), torch.randn(4, 3, dtype=torch.float64)
    labels = torch.arange(7) % 4
    expected = 0.0
    for embedding, label in zip(embeddings.tolist(), labels.tolist(), strict=True):
        cosines = [
            sum(a * b for a, b in zip(embedding, proxy, strict=True)) / math.hypot(*proxy) for proxy in proxies.tolist()
        ]
        expected += math.log(sum(math.exp(10 * cosine) for cosine in cosines)) - 10 * cosines[label]
    assert proxy_loss(embeddings, proxies, labels).item() == pytest.approx(expected / 7)
