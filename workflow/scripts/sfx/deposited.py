"""Rule sfx_deposited: a deposited set as a dataset."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.sfx.deposited import take_in

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
name = snakemake.wildcards.dataset
take_in(run.sfx.folder, name, files.dataset(name), run.sfx.storage)
