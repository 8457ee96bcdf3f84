"""How a network is trained: everything that, with the data and the seed, decides its weights."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

InputTransform = Literal["standardise", "photons", "log1p", "anscombe", "anscombe_standardise"]
Augment = Literal["none", "poster"]
Optimiser = Literal["adam", "adamw", "muon", "sgd"]
Schedule = Literal["constant", "cosine", "exponential", "burn_in"]
Precision = Literal["float32", "bfloat16"]
Checkpoint = Literal["last", "best"]
Initialisation = Literal["torch", "he"]
Distance = Literal["rms", "squared_l2"]
Mining = Literal["random", "batch_hard", "semi_hard"]
Positives = Literal["multiplicity", "single", "class"]

N_SUPPORT = 6000
"""Patterns of the training split whose embeddings a twin keeps, at most."""


def support_rows(train: slice) -> slice:
    """Of a training split, the rows whose embeddings a twin keeps."""
    return slice(train.start, min(train.start + N_SUPPORT, train.stop))


@dataclass(frozen=True)
class TrainingRecipe:
    """How any network is trained, whatever the loss; the defaults are the poster's, but for augmentation and weights
    and the weights of targets, which its named recipe has."""

    optimiser: Optimiser = "adam"
    """`muon`: of convolutions and hidden layers, AdamW for all else, train/loop/optimisers.py; `sgd`: momentum 0.9"""
    learning_rate: float = 1e-3
    """the highest of the schedule"""
    schedule: Schedule = "constant"
    """`cosine`: rises over the first tenth of all steps, then falls to zero along half a cosine;
    `exponential`: falls to a thousandth, by the same factor at every step;
    `burn_in`: darknet's, rises as the fourth power of the step over 1000 steps"""
    weight_decay: float = 1e-3
    """`adam`, `sgd`: an L2 penalty, added to the gradient; others: per step, times the learning rate (decoupled)"""
    batch_size: int = 128
    epochs: int = 20
    input_transform: InputTransform = "standardise"
    """transform of train/batches/input_transforms.py"""
    augment: Augment = "none"
    """of the training patterns, train/batches/augment.py: each always in the same way, as the poster's set was built
    once"""
    detector_dropout: float = 0.0
    """share of the training patterns that a part of the detector is missing from, another in every epoch,
    train/batches/detector_dropout.py"""
    precision: Precision = "float32"
    """of the network's arithmetic in training: `bfloat16` is autocast; weights and answers stay float32"""
    initialisation: Initialisation = "torch"
    """of the convolutions, train/loop/initialise.py: PyTorch's default, as the poster had it, or He's"""
    checkpoint: Checkpoint = "last"
    """the epoch whose weights become the model: the last, as in the poster, or that of the best validation accuracy"""
    on_the_fly: bool = False
    """each epoch's training patterns are rendered for it alone: none is seen twice; validation is the dataset's"""
    teacher: str = ""
    """file of a trained network, model.pt or what `singlehit onnx` wrote of one, that this one is distilled from,
    train/tasks/teacher.py; none where empty"""
    teacher_weight: float = 1.0
    """weight of the difference from the teacher's answers, train/losses/distillation.py, beside the loss of labels"""
    label_weight: float = 1.0
    """weight of the loss of labels where there is a teacher; 0 learns from the teacher alone"""
    starts_as_teacher: bool = False
    """weights that are called alike and have the same shape in the teacher, a model.pt, are those that training begins
    with"""
    memory_gb: float = 8.0
    """patterns held at once, of each split [1e9 bytes], by the GPU where one trains; a training split above it is
    shuffled in whole shards"""

    # Read by pydantic where a config holds a recipe; a bare GPU node trains without pydantic.
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        self._must_be_positive("learning_rate", "memory_gb")
        self._must_be_counts("batch_size", "epochs")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay is {self.weight_decay}, expected zero or a positive number")
        for name in ("teacher_weight", "label_weight"):
            if not (math.isfinite(value := getattr(self, name)) and value >= 0):
                raise ValueError(f"{name} is {value}, expected zero or a positive number")
        if self.starts_as_teacher and not (self.teacher and self.initialisation == "torch"):
            raise ValueError(
                f"starts_as_teacher with teacher {self.teacher!r} and initialisation {self.initialisation!r}, expected "
                "a teacher and torch"
            )
        if self.teacher and not self.teacher_weight + self.label_weight:
            raise ValueError("teacher_weight and label_weight are both 0: nothing is left to learn from")
        if not 0 <= self.detector_dropout <= 1:
            raise ValueError(f"detector_dropout is {self.detector_dropout}, expected a share from 0 to 1")
        if self.on_the_fly and self.augment != "none":
            raise ValueError(f"augment is {self.augment!r}, but on_the_fly no pattern comes twice: expected none")
        self._must_be_known(
            optimiser=Optimiser,
            schedule=Schedule,
            input_transform=InputTransform,
            augment=Augment,
            precision=Precision,
            initialisation=Initialisation,
            checkpoint=Checkpoint,
        )

    def _must_be_positive(self, *names: str) -> None:
        for name in names:
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"{name} is {value}, expected a positive number")

    def _must_be_counts(self, *names: str) -> None:
        for name in names:
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")

    def _must_be_known(self, **choices: Any) -> None:
        for name, known in choices.items():
            if (value := getattr(self, name)) not in get_args(known):
                raise ValueError(f"{name} is {value!r}, expected one of {', '.join(get_args(known))}")


@dataclass(frozen=True)
class Recipe(TrainingRecipe):
    """On the multi-output loss."""

    target_weights: dict[str, float] = field(default_factory=dict)
    """of each target's loss, 1 where none is given"""
    label_smoothing: float = 0.0
    """share of a label's weight that is spread over all classes"""
    ordinal_weight: float = 0.0
    """weight of the ranked probability score of targets whose classes are numbers, train/losses/multi_output.py"""
    teacher_temperature: float = 1.0
    """by which logits, the teacher's and its own, are divided before they are compared"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._must_be_positive("teacher_temperature")
        for target, weight in self.target_weights.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"target_weights.{target} is {weight}, expected a positive number")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}, expected at least 0 and less than 1")
        if not (math.isfinite(self.ordinal_weight) and self.ordinal_weight >= 0):
            raise ValueError(f"ordinal_weight is {self.ordinal_weight}, expected zero or a positive number")


@dataclass(frozen=True)
class TwinRecipe(TrainingRecipe):
    """On the loss of triplets, train/losses/triplet.py."""

    embedding_dim: int = 8
    margin: float = 0.2
    """that a negative should be farther than a positive, in units of the distance"""
    distance: Distance = "rms"
    """`squared_l2` is between embeddings of length 1; `rms` takes them as they come"""
    mining: Mining = "batch_hard"
    proxy_weight: float = 0.0
    """weight of the cross-entropy of proxies, learned directions, one for each hit multiplicity, beside the loss of
    triplets; of embeddings of length 1 alone"""
    positives: Positives = "single"
    """what makes two patterns alike: both single or both multiple hits; as many particles; the whole class"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._must_be_counts("embedding_dim")
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise ValueError(f"margin is {self.margin}, expected zero or a positive number")
        self._must_be_known(distance=Distance, mining=Mining, positives=Positives)
        if not (math.isfinite(self.proxy_weight) and self.proxy_weight >= 0):
            raise ValueError(f"proxy_weight is {self.proxy_weight}, expected zero or a positive number")
        if self.proxy_weight and self.distance != "squared_l2":
            raise ValueError(
                f"proxy_weight is {self.proxy_weight} with distance {self.distance!r}, expected squared_l2"
            )
