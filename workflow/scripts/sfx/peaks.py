"""Rule sfx_peaks: peaks of every frame of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.sfx.peaks import peaks_of_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
name = snakemake.wildcards.dataset
peaks_of_dataset(files.dataset(name), run.sfx.peaks, Path(snakemake.output[0]))
