"""Rule sfx_layout: the empty store of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.crystal_dataset import make_layout

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
name = snakemake.wildcards.dataset
make_layout(run.sfx.datasets[name], run.sfx.storage, Path(snakemake.input.plan), files.dataset(name))
