"""Rule shown: what figures show of the patterns themselves."""

from typing import TYPE_CHECKING

from evaluate.classification.shown import write_shown
from evaluate.run.job import start
from evaluate.run.provenance import gather_simulated

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
write_shown(files, run, gather_simulated(files, run))
