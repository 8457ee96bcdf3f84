"""Ours for few labels: small polar networks, each trained on frames turned, mirrored, thinned and partly masked.

Frames come as photons on rings and angles over half a circle (train/batches/polar_bins.py). Beside those that a person
has labelled there may be simulated ones, a half of every batch: kinds of which the labelled frames show few.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from frames.provenance import json_digest, source_digest
from train.batches.batches import Patterns
from train.batches.drawn import SINGLE_HIT, Boxed, DrawnBatches, labelled
from train.config.single_hits import FindRecipe
from train.loop.checkpoint import Described, load
from train.loop.history import Row
from train.loop.training_loop import Task, seed_process, train_model
from train.models.polar.pattern import PolarPattern

PREDICTED_AT_ONCE = 512


@dataclass(frozen=True)
class FindEpoch(Row):
    """Of one network."""

    validation_f1: float
    predictions_alike: bool

    @property
    def collapsed(self) -> list[str]:
        """Whether all frames are predicted alike."""
        return ["finder"] if self.predictions_alike else []


def seen(photons: NDArray, live: NDArray) -> NDArray[np.float32]:
    """(n, 2 rings, angles): a pattern's fluctuation about its power law, and which bins are live.

    Square roots of photons a live pixel (of a Poisson law their noise is even), over their ring's mean for the frame,
    less one, and the ring's mean itself enters by its logarithm's deviation from the frame's: fringes, not fluence.

    Parameters
    ----------
    photons, live : (n, rings, angles).
    """
    rate = np.where(live > 0, photons / np.maximum(live, 1e-6), 0)
    root = np.sqrt(rate)
    shown = (live > 0).astype(np.float32)
    n_shown = np.maximum(shown.sum(2, keepdims=True), 1)
    ring = root.sum(2, keepdims=True) / n_shown
    angular = np.where(shown > 0, root / np.maximum(ring, 1e-3) - 1, 0)
    level = np.log(np.maximum(ring, 1e-3))
    there = shown.any(2, keepdims=True)
    level = np.where(
        there, level - (level * there).sum(1, keepdims=True) / np.maximum(there.sum(1, keepdims=True), 1), 0
    )
    radial = np.where(shown > 0, level, 0)
    return np.concatenate((np.clip(angular, -2, 2) + radial, shown), 1).astype(np.float32)


def changed(batch: Boxed, generator: np.random.Generator, live: NDArray, recipe: FindRecipe) -> Boxed:
    """Frames turned and mirrored about the beam, some thinned, some partly masked, as a network sees them."""
    photons = np.array(batch.images, np.float32)
    n, n_rings, n_angles = photons.shape
    lives = np.broadcast_to(live, photons.shape).copy()
    for i in range(n):
        turn = int(generator.integers(n_angles))
        photons[i], lives[i] = np.roll(photons[i], turn, 1), np.roll(lives[i], turn, 1)
        if generator.random() < 0.5:
            photons[i], lives[i] = photons[i, :, ::-1], lives[i, :, ::-1]
        if generator.random() < recipe.thinned:
            part = np.exp(generator.uniform(np.log(0.1), 0))
            photons[i] = generator.binomial(np.maximum(np.rint(photons[i]), 0).astype(np.int64), part)
        if generator.random() < recipe.masked:
            if generator.random() < 0.5:
                wedge = (int(generator.integers(n_angles)) + np.arange(generator.integers(1, n_angles // 2))) % n_angles
                lives[i][:, wedge] = 0
            else:
                first = int(generator.integers(n_rings))
                lives[i][first : first + int(generator.integers(1, max(2, n_rings // 4)))] = 0
    return replace(batch, images=seen(photons * (lives > 0), lives))


def fit_finder(
    train: Boxed,
    validation: Boxed,
    live: NDArray,
    recipe: FindRecipe,
    seed: int,
    device: torch.device,
    folder: Path,
    dataset: str = "",
    rehearsed: Boxed | None = None,
    digest: str = "",
) -> list[list[FindEpoch]]:
    """Train the members on frames (n, rings, angles) photons; `folder`/member<i>/model.pt holds each.

    Parameters
    ----------
    rehearsed : simulated frames that are learned from as well. Of a batch a quarter each are labelled single hits,
                labelled others, simulated single hits and simulated others.
    digest :    of the frames and their labels: what stands of a training on others is not gone on with.
    """
    groups = None
    if rehearsed is not None:
        groups = np.concatenate((train.single, 2 + rehearsed.single))
        images = np.concatenate((np.asarray(train.images), np.asarray(rehearsed.images)))
        train = labelled(images, np.concatenate((train.single, rehearsed.single)) == 1)
        digest = json_digest([digest, float(np.asarray(rehearsed.images).sum(dtype=np.float64)), len(rehearsed)])
    histories = []
    for member in range(recipe.members):
        one = 1000 * seed + member
        seed_process(one)
        model = PolarPattern(live.shape[0]).to(device)
        where = folder / f"member{member}"
        histories.append(_train(model, train, groups, validation, live, recipe, one, device, where, dataset, digest))
    return histories


def _train(
    model: PolarPattern,
    train: Boxed,
    groups: NDArray[np.int64] | None,
    validation: Boxed,
    live: NDArray,
    recipe: FindRecipe,
    seed: int,
    device: torch.device,
    folder: Path,
    dataset: str,
    digest: str,
) -> list[FindEpoch]:
    change = partial(changed, live=live, recipe=recipe)
    batches = DrawnBatches(train, recipe.batch_size, recipe.iterations, seed, change, balanced=True, groups=groups)
    description = Described(
        "polar_pattern", (SINGLE_HIT,), (live.shape[0], live.shape[1]), recipe, seed, dataset, digest,
        source_digest("train.tasks.find_single"),
    )  # fmt: skip

    def loss(outputs: Tensor, batch: Patterns) -> Tensor:
        wanted = torch.as_tensor(batch.labels[SINGLE_HIT.name], device=outputs.device).float()
        return binary_cross_entropy_with_logits(outputs, wanted * (1 - recipe.smoothing) + recipe.smoothing / 2)

    def validate(model: nn.Module) -> Mapping[str, Any]:
        odds = log_odds([model], np.asarray(validation.images), live)
        chosen, single = odds > 0, validation.single == 1
        shared = int((chosen & single).sum())
        return {
            "validation_loss": float(loss(torch.from_numpy(odds), validation)),
            "validation_accuracy": float((chosen == single).mean()),
            "validation_f1": 2 * shared / max(1, int(chosen.sum() + single.sum())),
            "predictions_alike": bool(chosen.all() or not chosen.any()),
        }

    folder.mkdir(parents=True, exist_ok=True)
    task = Task(loss, validate, FindEpoch, lambda: None)
    return train_model(model, task, description, batches, device, folder, {}, measure_threads=False)  # type: ignore[arg-type]


def log_odds(models: list[nn.Module], photons: NDArray, live: NDArray) -> NDArray[np.float32]:
    """(n,) mean over networks of the log-odds that frames (n, rings, angles) are single hits."""
    outputs = []
    for model in models:
        model.eval()
        device, parts = next(model.parameters()).device, [np.empty(0, np.float32)]
        with torch.no_grad():
            for start in range(0, len(photons), PREDICTED_AT_ONCE):
                some = photons[start : start + PREDICTED_AT_ONCE]
                images = seen(some, np.broadcast_to(live, some.shape))
                parts.append(model(torch.as_tensor(images, device=device)[:, None]).cpu().numpy())
        outputs.append(np.concatenate(parts))
    return np.mean(outputs, axis=0)


def best_threshold(score: NDArray, single: NDArray[np.bool_]) -> float:
    """Of all scores the one from which on selecting has the highest F1."""
    order = np.argsort(-score, kind="stable")
    f1 = 2 * np.cumsum(single[order]) / (np.arange(len(order)) + 1 + single.sum())
    return float(score[order][f1.argmax()])


def load_members(folder: Path, n_rings: int, device: torch.device) -> list[nn.Module]:
    """The networks of a training; FileNotFoundError where there is none."""
    paths = sorted(folder.glob("member*/model.pt"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no member*/model.pt; train the finder first")
    models: list[nn.Module] = []
    for path in paths:
        model = PolarPattern(n_rings).to(device)
        model.load_state_dict(load(path)["weights"])
        models.append(model.eval())
    return models
