"""Transfer: the base of a network that was trained elsewhere, a new classifier, few labelled frames.

First the whole base is frozen and the classifier learned; then its last blocks are freed, one phase after the other,
each from the weights of the one before (Opt. Express 2023, arXiv 2309.04474, section on transfer learning).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from train.batches.hits import HitData
from train.config.hit_recipe import HitRecipe
from train.tasks.find_hits import TrainedHits, fit_hits


def fit_transfer(
    source: TrainedHits,
    data: HitData,
    validation: HitData,
    recipe: HitRecipe,
    seed: int,
    device: torch.device,
    folder: Path,
    preprocessing: Mapping[str, Any],
    measure_threads: bool = True,
) -> TrainedHits:
    """Train the source's network on labelled frames of another dataset, by the phases of `recipe.frozen_blocks`.

    Each phase lies in a folder of its own and is not trained again where it ended; each goes down from a rate that is
    a third of the one before. The last one's network is what is learned.

    ValueError where there is no phase, or the base has not as many blocks.
    """
    if not recipe.frozen_blocks:
        raise ValueError("recipe.frozen_blocks is empty, expected at least one phase, as (4, 2)")
    learned = source
    for number, blocks in enumerate(recipe.frozen_blocks):
        by = HitRecipe(**vars(recipe) | {"learning_rate": recipe.learning_rate / 3**number, "frozen_blocks": (blocks,)})
        phase = folder / f"phase{number}-frozen{blocks}"
        learned = fit_hits(
            *(source.description.model, data, validation, by, seed, device, phase, preprocessing),
            start=learned,
            frozen_blocks=blocks,
            measure_threads=measure_threads,
        )
    return learned
