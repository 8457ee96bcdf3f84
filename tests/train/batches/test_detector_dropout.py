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
