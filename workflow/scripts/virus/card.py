"""Rule virus_card: the store, checked."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus import files
from simulate.virus.dataset import complete

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
complete(files.dataset_folder(run.folder), run.virus.simulation)
