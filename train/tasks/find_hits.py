"""Training a network that says whether a frame of crystals is a hit, on labelled frames; and what it answers.

Hit and maybe are one answer. Networks that tell them apart are trained to, and P(hit or maybe) is what they leave
for a miss.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from frames.files import read_json
from frames.store.hits import HIT_TARGET
from train.batches.batches import Patterns
from train.batches.hits import HitBatches, HitData, centred
from train.batches.input_transforms import network_input
from train.config.hit_recipe import HitRecipe
from train.loop.checkpoint import Described, load
from train.loop.history import Row
from train.loop.training_loop import Task, seed_process, train_model
from train.models.hit_finding.layers import HitNetwork
from train.models.hit_finding.registry import build, hit_digest

AT_ONCE = 64
"""Frames that a network answers for together."""


@dataclass(frozen=True)
class HitDescription(Described):
    """Of a network that finds hits."""

    recipe: HitRecipe
    preprocessing: Mapping[str, Any]
    """of train/batches/contrast.py, empty for candidates; and `vectors`, which of them"""
    channels: int
    """of vectors; 1 else"""
    learned_from: str
    """digest of inputs and labels, and of the weights that training began from"""


@dataclass(frozen=True)
class HitEpoch(Row):
    """Of a network that finds hits: fractions of the validation frames."""

    validation_recall: float
    """of the hits"""
    validation_precision: float
    """of what is called a hit; 0 where nothing is"""
    hits_collapsed: bool

    @property
    def collapsed(self) -> list[str]:
        """Whether it does no better than one answer for everything."""
        return ["hits"] if self.hits_collapsed else []


class TrainedHits(NamedTuple):
    """A network ready to answer."""

    model: HitNetwork
    description: HitDescription
    epoch: Mapping[str, Any]
    """the epoch its weights are from"""


def label_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy [nats] of logits (B, 2 or 3) and labels (B,) 0 miss, 1 maybe, 2 hit."""
    return cross_entropy(logits.float(), label.clamp(max=1) if logits.shape[1] == 2 else label)


def hit_probability(logits: Tensor) -> Tensor:
    """(B,) probability that a frame is no miss, of logits (B, 2 or 3)."""
    return 1 - logits.float().softmax(1)[:, 0]


@torch.inference_mode()
def predict_logits(model: nn.Module, inputs: NDArray, recipe: HitRecipe, device: torch.device) -> Tensor:
    """(n, classes) logits for prepared frames, on the CPU; those of a network with two heads are the label's."""
    was_training = model.training
    model.eval()
    logits = []
    for start in range(0, len(inputs), AT_ONCE):
        part = np.asarray(centred(inputs[start : start + AT_ONCE], recipe), np.float32)
        outputs = model(network_input(part, recipe.input_transform, device))
        logits.append((outputs if isinstance(outputs, Tensor) else outputs.label).float().cpu())
    model.train(was_training)
    return torch.cat(logits)


def judged(logits: Tensor, label: NDArray[np.int64]) -> dict[str, Any]:
    """Columns of `HitEpoch` that validation gives, of logits (n, classes) and labels (n,)."""
    is_hit, predicted = label > 0, (hit_probability(logits) > 0.5).numpy()
    right = predicted & is_hit
    majority = max(is_hit.mean(), 1 - is_hit.mean())
    accuracy = float((predicted == is_hit).mean())
    return {
        "validation_loss": label_loss(logits, torch.from_numpy(label)).item(),
        "validation_accuracy": accuracy,
        "validation_recall": float(right.sum() / max(is_hit.sum(), 1)),
        "validation_precision": float(right.sum() / max(predicted.sum(), 1)),
        "hits_collapsed": bool(
            len(np.unique(is_hit)) == 2 and (len(np.unique(predicted)) == 1 or accuracy <= majority)
        ),
    }


def describe_hits(
    name: str, data: HitData, recipe: HitRecipe, seed: int, preprocessing: Mapping[str, Any], learned_from: str
) -> HitDescription:
    """Network `name`, trained by `recipe` from `seed` on frames like these."""
    vectors = data.inputs.ndim == 3 and data.inputs.shape[1] <= 2
    ny, nx = (0, data.inputs.shape[-1]) if vectors else data.inputs.shape[1:3]
    return HitDescription(
        model=name,
        targets=(HIT_TARGET,),
        image_shape=(ny, nx),
        recipe=recipe,
        seed=seed,
        dataset=data.name,
        dataset_digest=digest_of(data),
        source=hit_digest(name, "train.tasks.find_hits", "train.tasks.domain_adversarial"),
        preprocessing=dict(preprocessing),
        channels=data.inputs.shape[1] if vectors else 1,
        learned_from=learned_from,
    )


def digest_of(*parts: HitData) -> str:
    """Digest of inputs and labels."""
    import hashlib

    digest = hashlib.sha256()
    for data in parts:
        for array in (data.inputs, data.label, data.row):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def fit_hits(
    name: str,
    data: HitData,
    validation: HitData,
    recipe: HitRecipe,
    seed: int,
    device: torch.device,
    folder: Path,
    preprocessing: Mapping[str, Any],
    start: TrainedHits | None = None,
    frozen_blocks: int = 0,
    measure_threads: bool = True,
) -> TrainedHits:
    """Train network `name` on labelled frames; `train.loop.training_loop.train_model` says what is written to `folder`.

    A folder that holds the same training, ended, is left as it is.

    Parameters
    ----------
    start :         whose base the network begins with; its classifier is new. None: all weights are random.
    frozen_blocks : of the base, which stay as they are.

    Raises
    ------
    ValueError  there is a frame without a label, or the start is another network.
    """
    if (data.label < 0).any() or (validation.label < 0).any():
        raise ValueError(f"{data.name} or {validation.name} has frames without a label; give labels of all its frames")
    seed_process(seed)
    began = "" if start is None else f", {weights_digest(start.model)}, {frozen_blocks} blocks frozen"
    description = describe_hits(name, data, recipe, seed, preprocessing, digest_of(data, validation) + began)
    if is_done(folder, description):
        return load_hits(folder / "model.pt", device)
    model = made(description, device)
    if start is not None:
        if start.description.model != name:
            raise ValueError(f"weights of {start.description.model} are to start a {name}; expected the same network")
        model.base.load_state_dict(start.model.base.state_dict())
        if start.description.dataset == data.name:  # a phase of the same training
            model.classifier.load_state_dict(start.model.classifier.state_dict())
        model.freeze(frozen_blocks)

    def loss(logits: Tensor, patterns: Patterns) -> Tensor:
        return label_loss(logits, torch.from_numpy(patterns.labels["hit"]).to(device))

    def validated(model: nn.Module) -> dict[str, Any]:
        return judged(predict_logits(model, validation.inputs, recipe, device), validation.label)

    record = {"n_validation": len(validation), "frozen_blocks": frozen_blocks}
    task = Task(loss, validated, HitEpoch, lambda: None)
    train_model(model, task, description, HitBatches(data, recipe, seed), device, folder, record, measure_threads)
    return load_hits(folder / "model.pt", device)


def made(description: HitDescription, device: torch.device) -> HitNetwork:
    """The described network with random weights. Channels last: images are answered for twice as fast on a CPU."""
    model = build(description.model, description.channels)
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def weights_digest(model: nn.Module) -> str:
    """Digest of a network's weights."""
    import hashlib

    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def is_done(folder: Path, description: Described) -> bool:
    """Whether a folder holds a training of exactly this that came to its end."""
    record = folder / "training.json"
    if not (record.exists() and (folder / "model.pt").exists()):
        return False
    saved = load(folder / "model.pt").get("description", {})
    read_json(record)  # ValueError where it is damaged
    return saved == asdict(description)


def load_hits(path: Path, device: torch.device) -> TrainedHits:
    """A network as it was trained, in evaluation mode. ValueError for a file that is damaged or not one of these."""
    saved = load(path)
    try:
        description = HitDescription(**saved["description"] | {"recipe": HitRecipe(**saved["description"]["recipe"])})
        model = made(description, device)
        weights = {name: value for name, value in saved["weights"].items() if not name.startswith("domain.")}
        model.load_state_dict(weights)
    except (AttributeError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} holds no network that finds hits, of this version ({error}); train one") from error
    return TrainedHits(model.eval(), description, saved["epoch"])
