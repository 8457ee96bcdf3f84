"""Rule virus_layout: the empty store, with all labels."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus import files
from simulate.virus.dataset import create

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
create(files.dataset_folder(run.folder), files.plan_file(run.folder), run.virus.simulation, run.virus.storage)
