"""Rule plan: one row per pattern."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.plan import make_plan

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
atoms = {name: files.atoms(name) for name in run.simulation.planned(snakemake.wildcards.placement)}
make_plan(run.simulation, snakemake.wildcards.placement, atoms, Path(snakemake.output[0]))
