"""Rule sfx_tables: how well hits are found, and features of source and target on a map."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.sfx.gathered import write_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
write_tables(run, files)
