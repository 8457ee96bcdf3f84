"""Rule train: one network on one dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from evaluate.run.job import measures_threads, rendered_from, start
from frames.store.dataset import open_dataset
from train.loop.device import choose_device
from train.loop.parallel import launch_ranks
from train.tasks.classify import fit

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# Processes that train together import this file; only the job itself is to run it.
if __name__ == "__main__":
    run, files = start(snakemake)
    torch.set_num_threads(snakemake.threads)  # the most that the training may take
    wildcards = snakemake.wildcards
    model = run.trained.models[wildcards.model]
    source = None
    if model.recipe.on_the_fly:
        from simulate.render.fresh import Source

        source = Source(run.simulation, wildcards.dataset, rendered_from(snakemake, run))
    device = choose_device(run.trained.device)
    launch_ranks(
        run.trained.gpus_per_training if device.type == "cuda" else 1,
        device,
        *(fit, model.network),
        open_dataset(files.dataset(wildcards.dataset)),
        *(model.recipe, int(wildcards.seed), device),
        *(Path(snakemake.output.model).parent, source, measures_threads(run.trained.threads, snakemake.threads)),
    )
