"""How a network is trained: everything that, with the data and the seed, decides its weights."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

Input = Literal["standardise"]
Keep = Literal["last", "best_validation"]
Initialisation = Literal["torch", "he"]


@dataclass(frozen=True)
class Recipe:
    """Adam on the multi-output loss; the defaults are the poster's."""

    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    """L2 penalty, added to the gradient"""
    batch_size: int = 128
    epochs: int = 20
    count_weight: float = 4.0
    """weight of the count head's loss against the particle head's"""
    input: Input = "standardise"
    """transform of train/inputs.py"""
    initialisation: Initialisation = "torch"
    """of the convolutions, train/initialise.py: PyTorch's default, as the poster had it, or He's"""
    keep: Keep = "last"
    """the epoch whose weights become the model: the last, as in the poster, or that of the best validation accuracy"""
    fresh: bool = False
    """each epoch's training patterns are rendered for it alone: none is seen twice; validation is the dataset's"""
    memory_gb: float = 8.0
    """patterns held at once, of each split [1e9 bytes]; a training split above it is shuffled in whole shards"""

    # Read by pydantic where a config holds a recipe; a bare GPU node trains without pydantic.
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name in ("learning_rate", "count_weight", "memory_gb"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"{name} is {value}, expected a positive number")
        for name in ("batch_size", "epochs"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay is {self.weight_decay}, expected zero or a positive number")
        for name, choices in (
            ("input", get_args(Input)),
            ("initialisation", get_args(Initialisation)),
            ("keep", get_args(Keep)),
        ):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
