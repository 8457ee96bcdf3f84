"""Rule sfx_dataset: a dataset of which all shards are there."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.crystal_dataset import complete_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
name = snakemake.wildcards.dataset
complete_dataset(run.sfx.datasets[name], files.dataset(name))
