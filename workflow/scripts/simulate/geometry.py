"""Rule geometry: the pixels of a dataset's detector in reciprocal space."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.geometry import make_geometry

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
make_geometry(
    run.simulation.datasets[snakemake.wildcards.dataset],
    Path(snakemake.output.geometry),
    Path(snakemake.output.record),
)
