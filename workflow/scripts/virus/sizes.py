"""Rule virus_sizes: sizes of the shots."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.stages import make_sizes
from simulate.virus.detector import CENTRE, geometry_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
name = run.virus.simulation.detector.geometry
make_sizes(run.folder, geometry_of(name), CENTRE[name], run.virus.sizes)
