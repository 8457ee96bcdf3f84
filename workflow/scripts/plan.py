"""Rule plan: one row per pattern."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import start
from simulate import stages

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
atoms = {name: files.atoms(name) for name in run.simulation.planned(snakemake.wildcards.placement)}
stages.make_plan(run.simulation, snakemake.wildcards.placement, atoms, Path(snakemake.output[0]))
