"""Training a detector of single hits on few labelled frames, and what it then selects.

An epoch is 100 iterations, after which F1 of the validation frames is measured, as in Ignatenko et al. (2021). The
weights of the last five epochs are kept: a frame is selected when all five find a particle in it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from frames.provenance import source_digest
from frames.targets import Target
from train.batches.batches import Patterns
from train.batches.drawn import SINGLE_HIT, Boxed, DrawnBatches, jittered
from train.batches.representation import Coloured, Representation
from train.config.single_hits import DetectRecipe
from train.loop.checkpoint import Described, load, save
from train.loop.history import Row
from train.loop.training_loop import Task, seed_process, train_model
from train.models.detection.boxes import Grid, best_boxes
from train.models.detection.losses import loss_of
from train.models.detection.yolo import Architecture, YoloV2, YoloV3, yolo
from train.tasks.find_single import best_threshold

logger = logging.getLogger(__name__)

N_CHECKPOINTS = 5
"""Of the last epochs, whose selections are intersected: iterations 4000, 4100, ..., 4400 in the slides."""

PREDICTED_AT_ONCE = 64
"""Pictures."""

HOPELESS = 0.1
"""Of the threshold: what one checkpoint finds less likely the others are not asked about."""


@dataclass(frozen=True)
class DetectDescription(Described):
    """Of a detector."""

    recipe: DetectRecipe
    representation: Representation
    width: float
    """factor on the channels of every layer"""


@dataclass(frozen=True)
class DetectEpoch(Row):
    """Of a detector: `validation_accuracy` is the share of frames that are rightly selected or left."""

    validation_f1: float
    validation_precision: float
    """0 where nothing is selected"""
    validation_recall: float
    predictions_alike: bool
    """every validation frame is selected, or none"""

    @property
    def collapsed(self) -> list[str]:
        """Whether all frames are predicted alike."""
        return ["detector"] if self.predictions_alike else []


def detector(description: DetectDescription, device: torch.device) -> Coloured:
    """The described network with random weights."""
    recipe, seen = description.recipe, description.representation
    model = yolo(architecture_of(description.model), seen.n_channels, description.width, recipe.momentum)
    coloured = Coloured(model, seen.colours, recipe.hue, recipe.distort)
    return coloured.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def architecture_of(name: str) -> Architecture:
    """ValueError for a name that is none of them."""
    if name not in ("yolov2", "yolov3"):
        raise ValueError(f"no detector is called {name!r}; known: yolov2, yolov3")
    return "yolov2" if name == "yolov2" else "yolov3"


def describe_detector(
    architecture: str,
    representation: Representation,
    width: float,
    recipe: DetectRecipe,
    seed: int,
    dataset: str,
    dataset_digest: str,
) -> DetectDescription:
    """Of a detector that is trained on a dataset's pictures."""
    size = representation.image_size
    return DetectDescription(
        model=architecture_of(architecture),
        targets=(SINGLE_HIT,),
        image_shape=(size, size),
        recipe=recipe,
        seed=seed,
        dataset=dataset,
        dataset_digest=dataset_digest,
        source=source_digest("train.tasks.detect"),
        representation=representation,
        width=width,
    )


def fit_detector(
    description: DetectDescription,
    train: Boxed,
    validation: Boxed,
    device: torch.device,
    folder: Path,
    measure_threads: bool = True,
) -> list[DetectEpoch]:
    """Train a detector on pictures (n, size, size) from 0 to 255 and their boxes, in pixels of the pictures.

    Beside what `train.loop.training_loop.train_model` writes, `checkpoints/<iteration>.pt` are the weights of the last
    five epochs. Labels are all that is learned from; what a frame truly shows is not asked.
    """
    recipe = description.recipe
    seed_process(description.seed)
    model = detector(description, device)
    change = partial(jittered, most=recipe.jitter) if recipe.jitter else None
    batches = DrawnBatches(train, recipe.batch_size, recipe.iterations, description.seed, change, recipe.balanced)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoints").mkdir(exist_ok=True)
    grids, loss = grids_of(model), loss_of(description.model)

    def batch_loss(outputs: list[Tensor], batch: Patterns) -> Tensor:
        boxes = batch.boxes if isinstance(batch, Boxed) else np.empty((0, 4), np.float32)
        return loss(outputs, torch.as_tensor(boxes, device=outputs[0].device), grids)

    def validate(model: nn.Module) -> Mapping[str, Any]:
        if batches.number > recipe.epochs - N_CHECKPOINTS:
            iteration = batches.number * recipe.iterations
            contents = {"description": asdict(description), "iteration": iteration, "weights": model.state_dict()}
            save(folder / "checkpoints" / f"{iteration}.pt", contents)
        return judged(model, validation, recipe.threshold, batch_loss)

    # The house's loop hands a task batches of any kind that have these lengths.
    task = Task(batch_loss, validate, DetectEpoch, lambda: None)
    record = {"n_labelled": len(train), "n_single": int(train.single.sum()), "n_validation": len(validation)}
    return train_model(model, task, description, batches, device, folder, record, measure_threads)  # type: ignore[arg-type]


def judged(model: nn.Module, frames: Boxed, threshold: float | None, loss: Any) -> dict[str, Any]:
    """How a detector selects labelled frames: columns of the history; see `DetectRecipe.threshold`."""
    model.eval()
    scores, losses = [], []
    with torch.no_grad():
        for start in range(0, len(frames), PREDICTED_AT_ONCE):
            rows = np.arange(start, min(start + PREDICTED_AT_ONCE, len(frames)))
            some = frames.take(rows)
            raw = model(_on_device(model, some.images))
            losses.append(float(loss(raw, some)) * len(rows))
            scores.append(best_boxes(raw, grids_of(model))[1].cpu().numpy())
    score, single = np.concatenate(scores), frames.single == 1
    chosen = score >= best_threshold(score, single) if threshold is None else score > threshold
    shared = int((chosen & single).sum())
    return {
        "validation_loss": sum(losses) / len(frames),
        "validation_accuracy": float((chosen == single).mean()),
        "validation_f1": 2 * shared / max(1, int(chosen.sum() + single.sum())),
        "validation_precision": shared / int(chosen.sum()) if chosen.any() else 0.0,
        "validation_recall": shared / max(1, int(single.sum())),
        "predictions_alike": bool(chosen.all() or not chosen.any()),
    }


def found(model: nn.Module, pictures: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Likeliest box (n, 4) [pixels of the picture] of each picture (n, size, size), and its probability (n,)."""
    model.eval()
    boxes, scores = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
    with torch.no_grad():
        for start in range(0, len(pictures), PREDICTED_AT_ONCE):
            raw = model(_on_device(model, pictures[start : start + PREDICTED_AT_ONCE]))
            box, score = best_boxes(raw, grids_of(model))
            boxes.append(box.cpu().numpy())
            scores.append(score.cpu().numpy())
    return np.concatenate(boxes), np.concatenate(scores)


def grids_of(model: nn.Module) -> list[Grid]:
    """How the numbers of a detector are read."""
    network = model.network
    if not isinstance(network, YoloV2 | YoloV3):
        raise ValueError(f"{type(network).__name__} is no detector; expected YoloV2 or YoloV3")
    return network.grids()


def _on_device(model: nn.Module, pictures: NDArray | Tensor) -> Tensor:
    return torch.as_tensor(pictures, device=next(model.parameters()).device).float()[:, None]


def load_detector(path: Path, device: torch.device) -> tuple[Coloured, DetectDescription]:
    """A detector as one of its checkpoints, or its model.pt, holds it. ValueError where a file is not one of these."""
    saved = load(path)
    try:
        kept = saved["description"]
        recipe = DetectRecipe(**kept["recipe"])
        asked = tuple(Target.of(target) for target in kept["targets"])
        seen = kept["representation"] | {"roi": kept["representation"]["roi"] and tuple(kept["representation"]["roi"])}
        description = DetectDescription(
            **kept | {"targets": asked, "recipe": recipe, "representation": Representation(**seen)}
        )
        model = detector(description, device)
        model.load_state_dict(saved["weights"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} holds no detector of this version ({error}); train it again") from error
    return model.eval(), description


def checkpoints_of(folder: Path) -> list[Path]:
    """The weights of the last epochs of a training, in their order; FileNotFoundError where there is none."""
    paths = sorted((folder / "checkpoints").glob("*.pt"), key=lambda path: int(path.stem))[-N_CHECKPOINTS:]
    if not paths:
        raise FileNotFoundError(f"{folder / 'checkpoints'} holds no checkpoint; train the detector first")
    return paths


def intersection(scores: Sequence[NDArray] | NDArray, threshold: float) -> NDArray[np.bool_]:
    """(n,) frames that every checkpoint selects, from their scores (checkpoints, n); NaN, not asked, selects none."""
    return np.all(np.asarray(scores) > threshold, axis=0)


def select(
    folder: Path, pictures: NDArray, device: torch.device, validation: Boxed, hopeless: float = HOPELESS
) -> tuple[NDArray, NDArray, NDArray]:
    """Scores (checkpoints, n) of pictures, selected (n,) by all, and the last checkpoint's boxes (n, 4).

    The last checkpoint is asked about every picture, and the others about those that may still be selected: of a
    picture that one finds less likely than `hopeless` times the threshold the others' scores are NaN. So the lowest of
    a picture's scores is exact from there on, and below an upper bound.

    validation : decides the threshold where the recipe has none: that from which on the lowest of a frame's scores
                 selects with the highest F1.
    """
    models = [load_detector(path, device) for path in checkpoints_of(folder)]
    threshold = models[-1][1].recipe.threshold
    if threshold is None:
        known = [found(model, np.asarray(validation.images))[1] for model, _ in models]
        lowest = best_threshold(np.min(known, axis=0), validation.single == 1)
        threshold = float(np.nextafter(np.float32(lowest), np.float32(-np.inf)))  # the frame at it is selected, too
    scores = np.full((len(models), len(pictures)), np.nan, np.float32)
    boxes, scores[-1] = found(models[-1][0], pictures)
    hopeful = np.flatnonzero(scores[-1] >= hopeless * threshold)
    for row in range(len(models) - 2, -1, -1):
        scores[row, hopeful] = found(models[row][0], pictures[hopeful])[1]
        hopeful = hopeful[scores[row, hopeful] >= hopeless * threshold]
    return scores, intersection(scores, threshold), boxes
