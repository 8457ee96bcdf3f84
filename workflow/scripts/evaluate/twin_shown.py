"""Rule twin_shown: what the figures of twin networks show."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.run.provenance import gather_twins
from evaluate.twin.shown import write_shown

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
write_shown(files, run, gather_twins(files, run))
