"""Rule dataset_shards: whole shards of a dataset, on a Dask cluster inside the job."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import start
from simulate import stages
from simulate.render import Inputs

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# The cluster's processes import this file; only the job itself is to run it.
if __name__ == "__main__":
    run, files = start(snakemake)
    structures = [structure.id for structure in run.simulation.structures]
    stages.make_shards(
        run.simulation,
        Inputs(
            plan=Path(snakemake.input.plan),
            geometry=Path(snakemake.input.geometry),
            volumes={structure: files.field(structure) for structure in structures},
            atoms={structure: files.atoms(structure) for structure in structures},
        ),
        files.dataset(snakemake.wildcards.dataset),
        snakemake.params.shards,
        workers=snakemake.threads,
        job_file=Path(snakemake.output[0]),
    )
