"""Self-training: what was learned from a labelled source labels frames of a target, and learns from both.

Only answers that it is sure of are taken for labels (Lee, ICML workshop 2013, pseudo-label). No label of the target is
ever looked at; networks of each round are chosen by the source's validation frames.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from train.batches.hits import HitData
from train.config.hit_recipe import HitRecipe
from train.tasks.find_hits import TrainedHits, fit_hits, hit_probability, predict_logits


def fit_self_training(
    name: str,
    source: HitData,
    validation: HitData,
    target: HitData,
    recipe: HitRecipe,
    seed: int,
    device: torch.device,
    folder: Path,
    preprocessing: Mapping[str, Any],
    measure_threads: bool = True,
) -> TrainedHits:
    """Train on the labelled source, then `recipe.rounds` times on it and on what of the target is told surely."""
    target = target.unlabelled()
    learned = None
    for number in range(recipe.rounds + 1):
        data = source
        if learned is not None:
            logits = predict_logits(learned.model, target.inputs, recipe, device)
            data = with_sure(source, target, logits, recipe)
        learned = fit_hits(
            *(name, data, validation, recipe, seed, device, folder / f"round{number}", preprocessing),
            measure_threads=measure_threads,
        )
    assert learned is not None
    return learned


def with_sure(source: HitData, target: HitData, logits: torch.Tensor, recipe: HitRecipe) -> HitData:
    """The source, and frames of the target that are told with at least probability `recipe.sure`, as they are told.

    How many these are nobody chose: where one would be left over for an epoch's last batch, of which batch
    normalisation makes nothing, the least sure of them is left out.
    """
    p = hit_probability(logits).numpy()
    surety = np.maximum(p, 1 - p)
    taken = np.flatnonzero(surety >= recipe.sure)
    if len(taken) and recipe.steps is None and (len(source) + len(taken)) % recipe.batch_size == 1:
        taken = np.delete(taken, surety[taken].argmin())
    return source.join(HitData(target.name, target.inputs[taken], said(logits)[taken], target.row[taken]))


def said(logits: torch.Tensor) -> NDArray[np.int64]:
    """(n,) labels that logits (n, 2 or 3) stand for; of two classes every hit is a 2."""
    is_hit = hit_probability(logits) > 0.5
    if logits.shape[1] == 2:
        return torch.where(is_hit, 2, 0).numpy()
    return torch.where(is_hit, 1 + logits[:, 1:].argmax(1), 0).numpy()
