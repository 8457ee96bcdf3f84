"""Rule train_twin: one encoder on one dataset, some structures held out."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from evaluate.run.job import measures_threads, rendered_from, start
from frames.store.dataset import open_dataset
from train.config.twins import shape
from train.loop.device import choose_device
from train.tasks.embed import fit_twin

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
torch.set_num_threads(snakemake.threads)  # the most that the training may take
wildcards = snakemake.wildcards
encoder = run.twinned.encoders[wildcards.encoder]
dim, margin = next(cell for cell in encoder.grid if shape(*cell) == wildcards.shape)
dataset, source = open_dataset(files.dataset(wildcards.dataset)), None
if encoder.recipe.on_the_fly:
    from simulate.render.fresh import Source

    source = Source(run.simulation, wildcards.dataset, rendered_from(snakemake, run))
fit_twin(
    encoder.network,
    dataset,
    replace(encoder.recipe, embedding_dim=dim, margin=margin),
    int(wildcards.seed),
    choose_device(run.twinned.device),
    Path(snakemake.output.model).parent,
    # A family may have members that this dataset does not show.
    [structure for structure in run.held_out(wildcards.fold) if structure in dataset.structures],
    source,
    measures_threads(run.twinned.threads, snakemake.threads),
    None if (begun := snakemake.input.get("start")) is None else Path(begun),
)
