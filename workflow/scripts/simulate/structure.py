"""Rule structure: one molecule, found, read and checked."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.structure import make_structure

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
make_structure(
    run.simulation.structure(snakemake.wildcards.structure),
    run.simulation.archive,
    Path(snakemake.output.atoms),
    Path(snakemake.output.record),
)
