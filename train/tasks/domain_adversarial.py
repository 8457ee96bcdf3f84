"""Domain-adversarial training: a source with labels, a target without, features that do not tell which is which.

Ganin & Lempitsky, ICML 2015. λ = 2/(1 + e^(-10 p)) - 1 of the training's progress p, times `recipe.domain_weight`,
weighs the reversed gradient. Which epoch training ends with is told by what needs no label of the target: the label
loss of the source's validation frames neither falls nor rises any more and is near its least, and the loss of the
domain head goes up and down (`has_settled`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from train.batches.batches import Patterns
from train.batches.hits import SOURCE, DomainBatches, HitData, centred
from train.batches.input_transforms import network_input
from train.config.hit_recipe import HitRecipe
from train.loop.training_loop import Task, seed_process, train_model
from train.models.hit_finding.layers import DomainAdversarial, DomainLogits
from train.tasks.find_hits import (
    HitEpoch,
    TrainedHits,
    describe_hits,
    digest_of,
    is_done,
    judged,
    label_loss,
    load_hits,
    made,
    predict_logits,
    weights_digest,
)

STILL = 0.02
"""Of the label loss: what it may differ by from one half of the epochs looked at to the other. One that rises is as
little at a plateau as one that falls: then domains are mixed at the cost of what tells hits."""

LOST = 1.25
"""Times the least label loss of any epochs before, as many: above that, what was learned is being lost, and a plateau
up there is none to end at."""

TURNS = 2
"""How often the domain loss must have changed between rising and falling."""

STRONG = 0.9
"""Of the largest λ, below which training goes on in any case: features are not yet asked to forget the domain."""


@dataclass(frozen=True)
class DomainEpoch(HitEpoch):
    """Of an adversarial training; labels are the source's alone."""

    domain_loss: float
    """[nats] of source's validation and target's frames; ln 2 where they cannot be told apart"""
    domain_accuracy: float
    """mean of both domains'"""
    strength: float
    """λ at the epoch's end"""


def strength(progress: float) -> float:
    """λ at a training's progress from 0 to 1."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def has_settled(history: Sequence[DomainEpoch], epochs: int, weight: float = 1.0) -> bool:
    """Whether over the last `epochs` the label loss is at a plateau and the domain loss oscillates, at a strong λ.

    The label loss is that of the source's validation frames; of the target nothing but the domain is looked at.
    `weight` is the largest λ.
    """
    if len(history) < epochs or history[-1].strength < STRONG * weight:
        return False
    label = np.array([row.validation_loss for row in history])
    half = epochs // 2
    before, after = label[-epochs:-half].mean(), label[-half:].mean()
    is_still = abs(before - after) < STILL * before
    least = np.convolve(label, np.full(half, 1 / half), "valid").min()
    steps = np.sign(np.diff([row.domain_loss for row in history[-epochs:]]))
    steps = steps[steps != 0]
    return bool(is_still and after <= LOST * least and (np.diff(steps) != 0).sum() >= TURNS)


class _Strengthening(DomainBatches):
    """Sets the network's λ before each batch is drawn."""

    def __init__(self, model: DomainAdversarial, source: HitData, target: HitData, recipe: HitRecipe, seed: int):
        super().__init__(source, target, recipe, seed)
        self.model = model

    def epoch(self, number: int = 0) -> Iterator[Patterns]:
        n_before, n_steps = (number - 1) * len(self), self.recipe.epochs * len(self)
        for step, batch in enumerate(super().epoch(number), n_before):
            self.model.strength = self.recipe.domain_weight * strength(step / n_steps)
            yield batch


def adversarial_loss(outputs: DomainLogits, label: Tensor, domain: Tensor) -> Tensor:
    """Cross-entropy of the source's labels and of all domains; labels of the target are not read."""
    is_source = domain == SOURCE
    of_labels = label_loss(outputs.label[is_source], label[is_source])
    return of_labels + cross_entropy(outputs.domain.float(), domain)


def fit_adversarial(
    name: str,
    source: HitData,
    validation: HitData,
    target: HitData,
    recipe: HitRecipe,
    seed: int,
    device: torch.device,
    folder: Path,
    preprocessing: Mapping[str, Any],
    start: TrainedHits | None = None,
    measure_threads: bool = True,
) -> TrainedHits:
    """Train network `name` on a labelled source and an unlabelled target; its label head is what is learned.

    `recipe.checkpoint` must be `last`: the rule says when training ends, and no epoch is chosen by an accuracy. A
    `start`, trained on the source, spares what the rule would take for a plateau: that nothing is learned yet.

    ValueError for another checkpoint, or a start that is another network.
    """
    if recipe.checkpoint != "last":
        raise ValueError(f"recipe.checkpoint is {recipe.checkpoint!r}, expected 'last' for adversarial training")
    target = target.unlabelled()
    seed_process(seed)
    began = "" if start is None else f", {weights_digest(start.model)}"
    learned_from = digest_of(source, validation, target) + began
    description = describe_hits(name, source, recipe, seed, preprocessing, learned_from)
    if is_done(folder, description):
        return load_hits(folder / "model.pt", device)
    network = made(description, device)
    if start is not None:
        if start.description.model != name:
            raise ValueError(f"weights of {start.description.model} are to start a {name}; expected the same network")
        network.load_state_dict(start.model.state_dict())
    model = DomainAdversarial(network).to(device)

    def loss(outputs: DomainLogits, patterns: Patterns) -> Tensor:
        label, domain = (
            torch.from_numpy(each).to(device) for each in (patterns.labels["hit"], patterns.labels["domain"])
        )
        return adversarial_loss(outputs, label, domain)

    def validated(model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, DomainAdversarial)
        row = judged(predict_logits(model, validation.inputs, recipe, device), validation.label)
        rows = np.random.default_rng(seed).permutation(len(target))[: len(validation)]
        domains = [_domain(model, inputs, recipe, device) for inputs in (validation.inputs, target.inputs[rows])]
        losses = [cross_entropy(d, torch.full((len(d),), n)).item() for n, d in enumerate(domains)]
        right = [(d.argmax(1) == n).float().mean().item() for n, d in enumerate(domains)]
        means = {"domain_loss": float(np.mean(losses)), "domain_accuracy": float(np.mean(right))}
        return row | means | {"strength": model.strength}

    batches = _Strengthening(model, source, target, recipe, seed)

    def settled(history: Sequence[DomainEpoch]) -> bool:
        return has_settled(history, recipe.plateau, recipe.domain_weight)

    task = Task(loss, validated, DomainEpoch, lambda: None, stop=settled)
    record = {"n_validation": len(validation), "target": target.name, "n_target": len(target)}
    train_model(model, task, description, batches, device, folder, record, measure_threads)
    return load_hits(folder / "model.pt", device)


@torch.inference_mode()
def _domain(model: DomainAdversarial, inputs: Any, recipe: HitRecipe, device: torch.device) -> Tensor:
    """(n, 2) of the domain head, on the CPU."""
    was_training = model.training
    model.eval()
    parts = []
    for start in range(0, len(inputs), 64):
        part = np.asarray(centred(inputs[start : start + 64], recipe), np.float32)
        parts.append(model(network_input(part, recipe.input_transform, device)).domain.float().cpu())
    model.train(was_training)
    return torch.cat(parts)
