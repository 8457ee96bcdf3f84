"""Rule sfx_find: a system, trained on one dataset and evaluated on all."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from evaluate.run.job import start
from evaluate.sfx.experiments import find_in_run
from train.loop.device import choose_device

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
torch.set_num_threads(snakemake.threads)
wildcards = snakemake.wildcards
device = choose_device(run.sfx.learning.device)
find_in_run(run, files, wildcards.system, wildcards.dataset, device, Path(snakemake.output[0]))
