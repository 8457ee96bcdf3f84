"""Rule twin_tables: twin networks and controls side by side, with their provenance."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.run.provenance import gather_twins
from evaluate.twin.tables import write_twin_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
write_twin_tables(files, run, gather_twins(files, run))
