"""Rule random_structures: every phantom of the run that is made up by chance."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import start
from simulate import stages
from train.progress import progress

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
paths = list(zip(map(Path, snakemake.output.atoms), map(Path, snakemake.output.records), strict=True))
for atoms, record in progress(paths, "random phantoms", len(paths)):
    stages.make_structure(run.simulation.structure(record.stem), run.simulation.archive, atoms, record)
