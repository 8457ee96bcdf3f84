"""Rule train: one network on one dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from _wiring import rendered_from, start
from simulate.dataset import open_dataset
from train.device import choose_device
from train.fit import fit

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
torch.set_num_threads(snakemake.threads)  # more than the job was given would wait for each other at every operation
wildcards = snakemake.wildcards
model = run.trained.models[wildcards.model]
source = None
if model.recipe.fresh:
    from simulate.fresh import Source

    source = Source(run.simulation, wildcards.dataset, rendered_from(snakemake, run))
fit(
    model.network,
    open_dataset(files.dataset(wildcards.dataset)),
    model.recipe,
    int(wildcards.seed),
    choose_device(run.trained.device),
    Path(snakemake.output.model).parent,
    source,
)
