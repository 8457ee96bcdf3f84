"""Rule geometry: the detector's pixels in reciprocal space."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import start
from simulate import stages

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
stages.make_geometry(run.simulation, Path(snakemake.output.geometry), Path(snakemake.output.record))
