"""Rule dataset_layout: the empty store of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.dataset_layout import make_layout

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
make_layout(
    run.simulation,
    Path(snakemake.input.plan),
    Path(snakemake.input.geometry),
    {name: files.structure(name) for name in run.simulation.selected(snakemake.wildcards.dataset)},
    files.dataset(snakemake.wildcards.dataset),
)
