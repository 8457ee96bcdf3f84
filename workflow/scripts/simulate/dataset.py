"""Rule dataset: all shards checked, the card written."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.dataset import complete_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
folder = files.dataset(snakemake.wildcards.dataset)
complete_dataset(run.simulation, folder, Path(snakemake.input.geometry_record))
