"""Rule sfx_prepare: a dataset's frames as networks take them."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.sfx.prepared import prepare_dataset
from frames.store.dataset import open_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
dataset = open_dataset(files.dataset(snakemake.wildcards.dataset))
prepare_dataset(dataset, run.sfx.learning, Path(snakemake.output[0]))
