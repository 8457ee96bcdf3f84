"""Rule dataset_shards: whole shards of a dataset, on a Dask cluster inside the job."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import rendered_from, start
from simulate.stages.dataset_shards import make_shards

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# The cluster's processes import this file; only the job itself is to run it.
if __name__ == "__main__":
    run, files = start(snakemake)
    make_shards(
        run.simulation,
        rendered_from(snakemake, run),
        files.dataset(snakemake.wildcards.dataset),
        snakemake.params.shards,
        workers=snakemake.threads,
        job_file=Path(snakemake.output[0]),
    )
