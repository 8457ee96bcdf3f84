"""How a network that finds hits is trained; read also where there is no pydantic."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from train.config.recipe import TrainingRecipe


@dataclass(frozen=True)
class HitRecipe(TrainingRecipe):
    """Of a network that finds hits. Inputs are prepared beforehand: `input_transform` leaves them."""

    optimiser: Literal["adam", "adamw", "muon", "sgd"] = "adamw"
    schedule: Literal["constant", "cosine", "exponential"] = "cosine"
    weight_decay: float = 1e-2
    batch_size: int = 32
    epochs: int = 30
    input_transform: Literal["photons"] = "photons"
    checkpoint: Literal["last", "best"] = "best"
    class_balanced: bool = False
    """classes are drawn as often as each other, frames of a class evenly, with replacement"""
    steps: int | None = None
    """batches of an epoch; None: every frame once"""
    crop: int | None = None
    """pixels that are cut at random from images in training, and from their middle else"""
    turn: bool = True
    """images are turned and mirrored at random, vectors mirrored"""
    frozen_blocks: tuple[int, ...] = ()
    """of transfer: blocks of the base that stay frozen in each phase, a phase of `epochs` each"""
    plateau: int = 6
    """of adversarial training: epochs that the rule which ends it looks back over"""
    domain_weight: float = 1.0
    """of adversarial training: the largest λ"""
    rounds: int = 2
    """of self-training: how often frames without labels are labelled by what was learned so far"""
    sure: float = 0.9
    """of self-training: probability from which an answer is taken for a label"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._must_be_counts("plateau", "rounds")
        for name in ("steps", "crop"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")
        if (
            list(self.frozen_blocks) != sorted(self.frozen_blocks, reverse=True)
            or min(self.frozen_blocks, default=0) < 0
        ):
            raise ValueError(f"frozen_blocks is {list(self.frozen_blocks)}, expected ever fewer from phase to phase")
        if not 0 < self.domain_weight < math.inf:
            raise ValueError(f"domain_weight is {self.domain_weight}, expected a number above 0")
        if not 0.5 <= self.sure < 1:
            raise ValueError(f"sure is {self.sure}, expected at least 0.5 and less than 1")


KE = HitRecipe(
    optimiser="sgd",
    learning_rate=0.1,
    schedule="exponential",
    weight_decay=5e-4,
    batch_size=64,
    epochs=120,
    class_balanced=True,
    steps=100,
    crop=720,
    turn=False,
)
"""J. Synchrotron Rad. 25, 655 (2018) and its code: 100 batches x 120 epochs, the best on validation is kept."""

RECIPES: Mapping[str, HitRecipe] = {"plain": HitRecipe(), "ke": KE}
