"""How a split is judged, with a network that answers as it is told."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from frames.store.dataset import open_dataset
from support.datasets import make_dataset
from train.batches.batches import Batches
from train.config.recipe import Recipe
from train.models.heads import Logits
from train.tasks.validation import validate

STRUCTURE = ["", "", "", "a", "a", "b", "b", "b"]
MULTIPLICITY = [0, 0, 0, 1, 2, 1, 2, 2]
COUNT_ANSWERS = [0, 0, 2, 1, 2, 1, 0, 2]
PARTICLE_ANSWERS = [0, 1, 1, 0, 1, 1, 1, 1]


class Told(nn.Module):
    """Answers pattern after pattern with the classes it is told."""

    def forward(self, images: torch.Tensor) -> Logits:
        heads = {"hit_multiplicity": (COUNT_ANSWERS, 3), "structure": (PARTICLE_ANSWERS, 2)}
        return {
            target: 10.0 * nn.functional.one_hot(torch.tensor(answers), n).float()
            for target, (answers, n) in heads.items()
        }


def test_where_nothing_was_hit_the_count_alone_is_judged(tmp_path: Path) -> None:
    """Right counts: rows 0, 1, 3, 4, 5, 7. Right structures: 3, 5, 6, 7 of the five hits. Both: 0, 1, 3, 5, 7."""
    images = np.random.default_rng(0).random((8, 4, 4), dtype=np.float32)
    dataset = open_dataset(make_dataset(tmp_path / "blanks", images, STRUCTURE, MULTIPLICITY, ["train"] * 8))
    recipe = Recipe(target_weights={"hit_multiplicity": 4.0})
    result = validate(Told(), Batches(dataset, slice(0, 8), 8, 1.0), recipe, torch.device("cpu"))
    assert result.validation_accuracies == {"hit_multiplicity": 6 / 8, "structure": 4 / 5}
    assert result.validation_accuracy == 5 / 8
    # A wrong answer costs 10 nats, each head's mean apart: two of eight, four times; one of five.
    assert result.validation_loss == pytest.approx(4 * 10 * 2 / 8 + 10 * 1 / 5, abs=1e-3)
    assert result.is_collapsed == {"hit_multiplicity": False, "structure": False}
