"""Rule virus_recorded: recorded frames and labels as a dataset."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.source.taken_in import take_in

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
take_in(run.folder, run.virus.files, run.virus.storage)
