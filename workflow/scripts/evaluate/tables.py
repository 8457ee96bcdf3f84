"""Rule tables: all networks and baselines side by side, with their provenance."""

from typing import TYPE_CHECKING

from evaluate.classification.tables import write_tables
from evaluate.run.job import start
from evaluate.run.provenance import gather

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
write_tables(files, run.study, gather(files, run))
