"""Training states and trained networks as files: complete or absent, and loaded without running code from them."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from frames.files import DAMAGED, atomic_path, sha256
from frames.targets import MULTIPLICITY, STRUCTURE, Target, named, names, shot_targets
from train.config.old_keys import renamed
from train.config.recipe import Recipe, TrainingRecipe, TwinRecipe
from train.inference.domain import Domain
from train.loop.history import Epoch, Row, TwinEpoch
from train.models.encoder import encoder
from train.models.heads import module_name
from train.models.registry import build, training_digest

if TYPE_CHECKING:
    from frames.store.dataset import Dataset


@dataclass(frozen=True)
class Described:
    """What was trained on what, and how: with the weights, all that it takes to use the network."""

    model: str
    targets: tuple[Target, ...]
    """what its dataset asks of every pattern"""
    image_shape: tuple[int, int]
    recipe: TrainingRecipe
    seed: int
    dataset: str
    dataset_digest: str
    """of the layout and of every shard's sha256"""
    source: str
    """digest of the code that trains"""
    teacher: str = field(default="", kw_only=True)
    """sha256 of the file of the network that it was distilled from; empty where it was from none"""

    @property
    def structures(self) -> tuple[str, ...]:
        """Ids of the structures that are told apart; ValueError where that is no question."""
        return tuple(map(str, named(self.targets, STRUCTURE).classes))

    @property
    def hit_multiplicities(self) -> tuple[int, ...]:
        """The numbers of particles that are told apart; ValueError where that is no question."""
        return tuple(map(int, named(self.targets, MULTIPLICITY).classes))


@dataclass(frozen=True)
class Description(Described):
    """Of a classifier with a head for each target."""

    recipe: Recipe

    def must_fit(self, dataset: "Dataset") -> None:
        """ValueError unless the dataset's classes and images are those of this network."""
        for what, ours, theirs in (
            ("targets", names(self.targets), names(dataset.targets)),
            *(
                (f"classes of {ours.name}", ours.classes, theirs.classes)
                for ours, theirs in zip(self.targets, dataset.targets, strict=False)
            ),
            ("image shape", self.image_shape, dataset.shape[1:]),
        ):
            if tuple(ours) != tuple(theirs):
                raise ValueError(
                    f"{what} of dataset {dataset.name} are {tuple(theirs)}, but {self.model} was trained on "
                    f"{self.dataset} with {tuple(ours)}; choose a dataset of the same run"
                )


@dataclass(frozen=True)
class TwinDescription(Described):
    """Of a twin network."""

    recipe: TwinRecipe
    held_out: tuple[str, ...]
    """structures of the dataset that it was not trained on"""
    start: str | None = None
    """sha256 of the model.pt whose weights training began with"""


class TrainedEncoder(NamedTuple):
    """A twin network ready to embed."""

    model: nn.Module
    """in evaluation mode, on its device"""
    description: TwinDescription
    epoch: TwinEpoch
    """the epoch its weights are from, and how they did on the validation split"""
    domain: Domain | None = None
    """what it was trained on; None where its file is from before this was kept"""


class TrainedModel(NamedTuple):
    """A classifier ready to predict."""

    model: nn.Module
    """in evaluation mode, on its device"""
    description: Description
    epoch: Epoch
    """the epoch its weights are from, and how they did on the validation split"""
    domain: Domain | None = None
    """what it was trained on; None where its file is from before this was kept"""


def describe(name: str, dataset: "Dataset", recipe: Recipe, seed: int) -> Description:
    """Network `name`, trained on `dataset` by `recipe` from `seed`."""
    return Description(**_described(name, dataset, recipe, seed, "train.tasks.classify"), recipe=recipe)


def describe_twin(
    name: str, dataset: "Dataset", recipe: TwinRecipe, seed: int, held_out: Sequence[str], start: Path | None = None
) -> TwinDescription:
    """The same of a twin network that does not see the structures held out, begun with the weights of `start`."""
    description = _described(name, dataset, recipe, seed, "train.tasks.embed")
    begun = None if start is None else sha256(start)
    return TwinDescription(**description, recipe=recipe, held_out=tuple(held_out), start=begun)


def _described(name: str, dataset: "Dataset", recipe: TrainingRecipe, seed: int, trained_by: str) -> dict[str, Any]:
    contents = json.dumps([dataset.card["layout"], dataset.card["shards"]], sort_keys=True)
    _, ny, nx = dataset.shape
    return {
        "model": name,
        "targets": dataset.targets,
        "image_shape": (ny, nx),
        "seed": seed,
        "dataset": dataset.name,
        "dataset_digest": hashlib.sha256(contents.encode()).hexdigest(),
        "source": training_digest(name, trained_by),
        "teacher": _digest_of_teacher(recipe.teacher),
    }


def _digest_of_teacher(teacher: str) -> str:
    if teacher and not Path(teacher).is_file():
        raise FileNotFoundError(
            f"recipe.teacher: there is no {teacher}; expected a model.pt of a run, or what `singlehit onnx` made of it"
        )
    return sha256(Path(teacher)) if teacher else ""


def network(description: Description, device: torch.device) -> nn.Module:
    """The described network with random weights. Channels last: convolutions on a CPU run a third faster."""
    sizes = {target.name: len(target.classes) for target in description.targets}
    model = build(description.model, sizes, description.image_shape[0])
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def twin(description: TwinDescription, device: torch.device) -> nn.Module:
    """The described twin network with random weights."""
    recipe = description.recipe
    n_proxies = len(description.hit_multiplicities) if recipe.proxy_weight else 0
    n_pixels = description.image_shape[0]
    model = encoder(description.model, recipe.embedding_dim, recipe.distance, n_proxies, n_pixels)
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_model(
    path: Path, description: Described, epoch: Row, weights: dict[str, torch.Tensor], domain: Domain | None = None
) -> None:
    """Write a trained network, and what it was trained on if that is known."""
    contents = {"description": asdict(description), "epoch": asdict(epoch), "weights": weights}
    save(path, contents | ({} if domain is None else {"domain": asdict(domain)}))


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """A network as it was trained. ValueError for a file that is damaged or not a model's."""
    return TrainedModel(*_loaded(path, device, Description, Recipe, Epoch, network))


def load_encoder(path: Path, device: torch.device) -> TrainedEncoder:
    """A twin network as it was trained. ValueError for a file that is damaged or not one of these."""
    return TrainedEncoder(*_loaded(path, device, TwinDescription, TwinRecipe, TwinEpoch, twin))


def holds_twin(path: Path) -> bool:
    """Whether a model.pt is a twin network's. FileNotFoundError; ValueError for a damaged file."""
    return "embedding_dim" in load(path).get("description", {}).get("recipe", {})


def _loaded(path: Path, device: torch.device, described: Any, recipe: Any, row: Any, build: Any) -> tuple:
    saved = load(path)
    kinds = "a classifier of structure and number of particles", "a twin network"
    theirs = saved.get("description", {}).get("recipe", {})
    if theirs and (is_twin := "embedding_dim" in theirs) != (described is TwinDescription):
        raise ValueError(f"{path} holds {kinds[is_twin]}, expected {kinds[not is_twin]}; give a model.pt of that kind")
    try:
        told = {**saved["description"], "recipe": recipe(**renamed(saved["description"]["recipe"]))}
        weights = saved["weights"]
        if "targets" in told:
            told["targets"] = tuple(Target.of(target) for target in told["targets"])
        else:  # of version 0.1, which had two heads, count and particle
            told["targets"] = shot_targets(told.pop("structures"), told.pop("hit_multiplicities"))
            weights = {_head_renamed(name): tensor for name, tensor in weights.items()}
        description, epoch = described(**told), row.of_saved(saved["epoch"])
        model = build(description, device)
        model.load_state_dict(weights)
        domain = Domain.of_saved(saved["domain"]) if "domain" in saved else None
    except (AttributeError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold a model of this version ({error}); train it again") from error
    return model.eval(), description, epoch, domain


OLD_HEADS = {"count": module_name(MULTIPLICITY), "particle": module_name(STRUCTURE)}
"""Names of parts of networks in version 0.1 -> now"""


def _head_renamed(name: str) -> str:
    """A weight's name in version 0.1 -> now: `heads.count.bias`, of a network that parts early `count.3.bias`."""
    first, _, rest = name.partition(".")
    if first == "heads" and (head := rest.partition("."))[0] in OLD_HEADS:
        return f"heads.layers.{OLD_HEADS[head[0]]}.{head[2]}"
    return f"branches.{OLD_HEADS[first]}.{rest}" if first in OLD_HEADS else name


def save(path: Path, contents: dict[str, Any]) -> None:
    """Write tensors, numbers, texts and containers of them, atomically."""
    buffer = io.BytesIO()  # torch itself says nothing of a full disk but "unexpected pos"
    torch.save(contents, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, on the CPU. FileNotFoundError; ValueError for a damaged file."""
    # torch compares no checksums, and of an entry with the wrong flag it gives what lies in memory: it is handed only
    # what zipfile has checked, in an archive of its own.
    whole = io.BytesIO()
    with path.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive, zipfile.ZipFile(whole, "w") as checked:
                for entry in archive.infolist():
                    checked.writestr(entry.filename, archive.read(entry))
            whole.seek(0)
            return torch.load(whole, map_location="cpu", weights_only=True)
        except DAMAGED as error:
            raise ValueError(
                f"{path} is damaged or no checkpoint ({error}); expected what a training wrote: if a run did, "
                "delete it and train again"
            ) from error
