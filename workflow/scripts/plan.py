"""Rule plan: one row per pattern."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import start
from simulate import stages

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
records = {structure.id: files.structure(structure.id) for structure in run.simulation.structures}
stages.make_plan(run.simulation, records, Path(snakemake.output[0]))
