"""Rule tables: all networks and baselines side by side, with their provenance."""

from typing import TYPE_CHECKING

from _wiring import start
from evaluate.provenance import gather
from evaluate.tables import write_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
write_tables(files, run, gather(files, run))
