"""A trained network whose answers another learns: the teacher of a distillation.

Its answers are asked for while the other trains, about the very images that this one sees, parts of the detector
missing and all, so fresh patterns have answers as well as stored ones.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from frames.files import sha256
from frames.targets import STRUCTURE, Target, names
from train.batches.input_transforms import network_input
from train.inference.shipped import answered, session_of
from train.loop.checkpoint import Described, TwinDescription, holds_twin, load_encoder, load_model
from train.models.heads import Logits

LEAST_PROBABILITY = 1e-30
"""below it a teacher's probabilities are not told apart"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Teacher:
    """What answers, and what it was trained on."""

    answers: Callable[[Tensor], Any]
    """images (B, ny, nx) [photons] -> embeddings (B, d), or Logits of a classifier, on the images' device"""
    path: str
    digest: str
    """sha256 of the file"""
    image_shape: tuple[int, int]
    targets: tuple[Target, ...]
    held_out: tuple[str, ...]
    """structures of its dataset that it did not learn from"""
    recipe: Mapping[str, Any]
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """by name; none of an ONNX file, whose weights are folded into others"""

    @property
    def structures(self) -> set[str]:
        """Those that it learned from."""
        return {str(name) for target in self.targets if target.name == STRUCTURE for name in target.classes} - set(
            self.held_out
        )

    def must_teach(self, ours: Described, held_out: Collection[str] = ()) -> None:
        """ValueError unless its answers suit the network described, and tell it nothing of structures held out."""
        is_twin = isinstance(ours, TwinDescription)
        if is_twin != ("embedding_dim" in self.recipe):
            kinds = "a classifier", "a twin network"
            raise ValueError(f"recipe.teacher: {self.path} is {kinds[not is_twin]}, expected {kinds[is_twin]}")
        if self.image_shape != tuple(ours.image_shape):
            raise ValueError(
                f"recipe.teacher: {self.path} takes images of {self.image_shape} pixels, and {ours.dataset} has "
                f"{tuple(ours.image_shape)}; give a teacher of such images"
            )
        if leaked := sorted(self.structures & set(held_out)):
            raise ValueError(
                f"recipe.teacher: {self.path} learned from {', '.join(leaked)}, which are held out here: its answers "
                "would tell of them. Give a teacher of the same fold"
            )
        if isinstance(ours, TwinDescription):
            for key, value in (("embedding_dim", ours.recipe.embedding_dim), ("distance", ours.recipe.distance)):
                if self.recipe[key] != value:
                    raise ValueError(
                        f"recipe.teacher: {self.path} has {key} {self.recipe[key]}, expected the recipe's, {value}"
                    )
        elif [(t.name, tuple(t.classes)) for t in self.targets] != [(t.name, tuple(t.classes)) for t in ours.targets]:
            raise ValueError(
                f"recipe.teacher: {self.path} answers {_said(self.targets)}, and {ours.dataset} asks "
                f"{_said(ours.targets)}; give a teacher that was trained on such a dataset"
            )

    def start(self, model: nn.Module) -> list[str]:
        """Give a network the weights that are called alike here and have the same shape; the names of these.

        ValueError where there is none, as in an ONNX file.
        """
        ours = model.state_dict()
        alike = {
            name: theirs for name, theirs in self.weights.items() if name in ours and ours[name].shape == theirs.shape
        }
        if not alike:
            raise ValueError(
                f"recipe.starts_as_teacher: {self.path} has no weights of the names and shapes of this network's; give "
                "the model.pt of a teacher of the same kind"
            )
        model.load_state_dict(alike, strict=False)
        return list(alike)


def load_teacher(path: str, device: torch.device) -> Teacher:
    """The teacher of a recipe: a model.pt, on the device, or an ONNX file, on one thread of the CPU.

    ValueError for a file of something else, or one that is damaged.
    """
    file = Path(path)
    return _of_onnx(file) if file.suffix == ".onnx" else _of_checkpoint(file, device)


def _of_checkpoint(path: Path, device: torch.device) -> Teacher:
    trained = load_encoder(path, device) if holds_twin(path) else load_model(path, device)
    said = trained.description
    model = trained.model.requires_grad_(False)
    answers = partial(_asked, model, said.recipe.input_transform)
    held_out = said.held_out if isinstance(said, TwinDescription) else ()
    shape, weights = _shape(said.image_shape), model.state_dict()
    return Teacher(answers, str(path), sha256(path), shape, said.targets, tuple(held_out), vars(said.recipe), weights)


def taught(
    description: Described, model: nn.Module, device: torch.device, held_out: Collection[str] = ()
) -> Teacher | None:
    """The teacher of the network described, whose weights it now starts with if its recipe says so; None without one.

    ValueError for one that is damaged, does not suit, or knows what is held out.
    """
    recipe = description.recipe
    if not recipe.teacher:
        return None
    teacher = load_teacher(recipe.teacher, device)
    teacher.must_teach(description, held_out)
    if recipe.starts_as_teacher:
        names_alike = teacher.start(model)
        logger.info("%d of %d weights start as those of %s", len(names_alike), len(model.state_dict()), teacher.path)
    return teacher


def _asked(model: nn.Module, transform: str, images: Tensor) -> Any:
    with torch.no_grad():
        return model.eval()(network_input(images, transform, images.device))


def _of_onnx(path: Path) -> Teacher:
    session = session_of(path)
    said = session.get_modelmeta().custom_metadata_map
    try:
        recipe = json.loads(said["recipe"])
        targets = tuple(Target.of(target) for target in json.loads(said["targets"]))
        held_out, shape = json.loads(said.get("held_out", "[]")), _shape(json.loads(said["image_shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"recipe.teacher: {path} is damaged, or none of `singlehit onnx` ({error})") from error
    outputs = ["embedding"] if "embedding_dim" in recipe else list(names(targets))

    def answers(images: Tensor) -> Tensor | Logits:
        found = answered(session, outputs, images.cpu().numpy())
        if "embedding_dim" in recipe:
            return torch.from_numpy(found[0]).to(images.device)
        # Its outputs are probabilities, and their logarithms logits, but for a constant of each pattern.
        return {
            name: torch.from_numpy(np.log(np.maximum(head, LEAST_PROBABILITY))).to(images.device)
            for name, head in zip(outputs, found, strict=True)
        }

    return Teacher(answers, str(path), sha256(path), shape, targets, tuple(held_out), recipe)


def _shape(values: Sequence[int]) -> tuple[int, int]:
    ny, nx = values
    return int(ny), int(nx)


def _said(targets: Sequence[Target]) -> str:
    return "; ".join(f"{target.name} of {len(target.classes)} classes" for target in targets)
