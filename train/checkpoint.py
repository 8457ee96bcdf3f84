"""Training states and trained networks as files: complete or absent, and loaded without running code from them."""

import hashlib
import io
import json
import pickle
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from simulate.files import atomic_path
from simulate.provenance import source_digest
from train.history import Epoch
from train.models.registry import build
from train.recipe import Recipe

if TYPE_CHECKING:
    from simulate.dataset import Dataset


@dataclass(frozen=True)
class Description:
    """What was trained on what, and how: with the weights, all that it takes to use the network."""

    model: str
    structures: tuple[str, ...]
    hit_multiplicities: tuple[int, ...]
    image_shape: tuple[int, int]
    recipe: Recipe
    seed: int
    dataset: str
    dataset_digest: str
    """of the layout and of every shard's sha256"""
    source: str
    """digest of the code that trains"""

    def must_fit(self, dataset: "Dataset") -> None:
        """ValueError unless the dataset's classes and images are those of this network."""
        for what, ours, theirs in (
            ("structures", self.structures, dataset.structures),
            ("hit multiplicities", self.hit_multiplicities, dataset.hit_multiplicities),
            ("image shape", self.image_shape, dataset.shape[1:]),
        ):
            if tuple(ours) != tuple(theirs):
                raise ValueError(
                    f"{what} of dataset {dataset.name} are {tuple(theirs)}, but {self.model} was trained on "
                    f"{self.dataset} with {tuple(ours)}; choose a dataset of the same run"
                )


class TrainedModel(NamedTuple):
    """A network ready to answer."""

    model: nn.Module
    """in evaluation mode, on its device"""
    description: Description
    epoch: Epoch
    """the epoch its weights are from, and how they did on the validation split"""


def describe(name: str, dataset: "Dataset", recipe: Recipe, seed: int) -> Description:
    """Network `name`, trained on `dataset` by `recipe` from `seed`."""
    contents = json.dumps([dataset.card["layout"], dataset.card["shards"]], sort_keys=True)
    _, ny, nx = dataset.shape
    return Description(
        model=name,
        structures=tuple(dataset.structures),
        hit_multiplicities=tuple(dataset.hit_multiplicities),
        image_shape=(ny, nx),
        recipe=recipe,
        seed=seed,
        dataset=dataset.name,
        dataset_digest=hashlib.sha256(contents.encode()).hexdigest(),
        source=source_digest("train.fit"),
    )


def network(description: Description, device: torch.device) -> nn.Module:
    """The described network with random weights. Channels last: convolutions on a CPU run a third faster."""
    model = build(description.model, len(description.structures), len(description.hit_multiplicities))
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_model(path: Path, description: Description, epoch: Epoch, weights: dict[str, torch.Tensor]) -> None:
    """Write a trained network."""
    save(path, {"description": asdict(description), "epoch": asdict(epoch), "weights": weights})


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """A network as it was trained. ValueError for a file that is damaged or not a model's."""
    saved = load(path)
    try:
        described = saved["description"] | {"recipe": Recipe(**saved["description"]["recipe"])}
        description, epoch = Description(**described), Epoch(**saved["epoch"])
        model = network(description, device)
        model.load_state_dict(saved["weights"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold a model of this version ({error}); train it again") from error
    return TrainedModel(model.eval(), description, epoch)


def save(path: Path, contents: dict[str, Any]) -> None:
    """Write tensors, numbers, texts and containers of them, atomically."""
    with atomic_path(path) as temporary:
        torch.save(contents, temporary)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, on the CPU. FileNotFoundError; ValueError for a damaged file."""
    contents = io.BytesIO(path.read_bytes())
    try:
        with zipfile.ZipFile(contents) as archive:
            if (torn := archive.testzip()) is not None:  # torch writes checksums but does not compare them
                raise zipfile.BadZipFile(f"the checksum of {torn} is wrong")
        contents.seek(0)
        return torch.load(contents, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is damaged or no checkpoint; delete it and train again ({error})") from error
