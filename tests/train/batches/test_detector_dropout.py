"""Parts of the detector that are missing from training patterns."""

import numpy as np
import pytest
import torch

from simulate.experiment.config import DetectorConfig
from simulate.experiment.panels import coverage
from train.batches.detector_dropout import LIVE, without_parts


def test_every_part_is_one_of_the_detectors_at_one_of_four_turns():
    """Against what `detector.missing` takes away, turned; twelve parts, all different."""
    expected = {
        np.rot90(coverage(DetectorConfig(n_pixels=8, missing=part)) > 0, turn).astype(np.int8).tobytes()
        for part in ("quarter", "half", "three_quarters")
        for turn in range(4)
    }
    parts = {live.repeat(4, axis=0).repeat(4, axis=1).astype(np.int8).tobytes() for live in LIVE[:, 0].numpy()}
    assert parts == expected
    assert len(parts) == len(LIVE)


@pytest.mark.parametrize("shape", [(6, 10), (7, 5)])
def test_it_is_a_loop_over_patterns_and_pixels(shape):
    """With the numbers that the generator draws: first whether, then which. Middle rows of odd numbers are the second
    quadrants', as nearest neighbours have it."""
    images = torch.rand(40, *shape, generator=torch.Generator().manual_seed(3)) + 1
    torch.manual_seed(2)
    lost, which = torch.rand(40) < 0.6, torch.randint(12, (40,))
    expected = images.clone()
    for n in range(40):
        for row in range(shape[0]):
            for column in range(shape[1]):
                if lost[n] and not LIVE[which[n], 0, 2 * row // shape[0], 2 * column // shape[1]]:
                    expected[n, row, column] = 0
    torch.manual_seed(2)
    assert torch.equal(without_parts(images, 0.6), expected)


def test_images_stay_on_their_device():
    """The device `meta` computes nothing, and refuses what lies elsewhere."""
    assert without_parts(torch.zeros(3, 4, 4, device="meta"), 0.5).device.type == "meta"


def test_without_a_share_nothing_is_lost_by_the_least_number_that_is_drawn(monkeypatch):
    monkeypatch.setattr(torch, "rand", torch.zeros)
    images = torch.ones(20, 4, 4)
    assert torch.equal(without_parts(images, 0.0), images)
    assert (without_parts(images, 1e-9) == 0).any((1, 2)).all()


def test_pixels_are_kept_or_zero_by_whole_quadrants():
    torch.manual_seed(0)
    images = torch.rand(200, 6, 10) + 1
    quadrants = without_parts(images, 1.0).reshape(200, 2, 3, 2, 5).transpose(2, 3).flatten(3)
    kept = quadrants == images.reshape(200, 2, 3, 2, 5).transpose(2, 3).flatten(3)
    assert (kept.all(3) | (quadrants == 0).all(3)).all()
    n_kept = kept.all(3).sum((1, 2))
    assert {1, 2, 3} == set(n_kept.tolist())


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_patterns_lose_a_part(share):
    """Of 4,000 within four standard deviations of a binomial."""
    torch.manual_seed(1)
    images = torch.ones(4000, 4, 4, dtype=torch.uint8)
    lost = (without_parts(images, share) == 0).any((1, 2)).float().mean().item()
    assert abs(lost - share) <= 4 * np.sqrt(share * (1 - share) / 4000)
