"""Rule sfx_plan: what each frame of a dataset shows."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.crystal_dataset import make_plan

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
name = snakemake.wildcards.dataset
make_plan(run.sfx.datasets[name], Path(snakemake.output[0]))
