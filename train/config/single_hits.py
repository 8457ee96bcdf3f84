"""How single hits are learned from few labels: by a detector of boxes, and by small polar networks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from train.config.recipe import TrainingRecipe


@dataclass(frozen=True)
class DetectRecipe(TrainingRecipe):
    """On the loss of its architecture; an epoch is `iterations` batches."""

    input_transform: Literal["photons"] = "photons"
    """pictures are what they are"""
    iterations: int = 100
    jitter: float = 0.3
    """share of a picture's size by which its edges move at random"""
    hue: float = 0.1
    """share of the circle by which hues turn at random"""
    distort: float = 1.5
    """factor up to which exposure and saturation change at random"""
    momentum: float = 0.1
    """of the normalisations' statistics; darknet's is 0.01, for trainings of thousands of iterations"""
    balanced: bool = False
    """as many single hits as others in every batch: a training of hundreds of iterations finds few otherwise"""
    threshold: float | None = 0.25
    """a frame is selected when a box in it is likelier; darknet's. None: of the highest F1 on the validation frames"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._must_be_counts("iterations")
        self._must_be_positive("momentum", "distort", *(() if self.threshold is None else ("threshold",)))
        if not 0 <= self.jitter < 0.5:
            raise ValueError(f"jitter is {self.jitter}, expected at least 0 and less than 0.5")


DARKNET = DetectRecipe(
    optimiser="sgd", learning_rate=1e-3, schedule="burn_in", weight_decay=5e-4, batch_size=64, epochs=44, momentum=0.01
)
"""Darknet's defaults, which is what the slides' authors are taken to have used: they published none."""

PRESETS: Mapping[str, DetectRecipe] = {"darknet": DARKNET, "darknet-yolov3": replace(DARKNET, batch_size=24)}
"""Name -> recipe; batches are the slides' 64 and 24."""


@dataclass(frozen=True)
class FindRecipe(TrainingRecipe):
    """On the cross-entropy of single or not, as many of either in a batch."""

    optimiser: Literal["adamw"] = "adamw"
    learning_rate: float = 3e-3
    schedule: Literal["cosine"] = "cosine"
    weight_decay: float = 1e-2
    batch_size: int = 64
    epochs: int = 12
    checkpoint: Literal["best", "last"] = "last"
    input_transform: Literal["photons"] = "photons"
    iterations: int = 40
    """batches an epoch"""
    thinned: float = 0.5
    """share of the frames of which only a random part of the photons is seen, at least a tenth"""
    masked: float = 0.5
    """share of the frames of which a random wedge, up to half of the angles, or some rings are not seen"""
    smoothing: float = 0.1
    """of the labels: a person errs"""
    members: int = 3
    """networks whose log-odds are averaged"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._must_be_counts("iterations", "members")
        for name in ("thinned", "masked", "smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a share from 0 to 1")
