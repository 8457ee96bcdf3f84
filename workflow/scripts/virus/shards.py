"""Rule virus_shards: whole shards, on a Dask cluster inside the job."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus import files
from frames.files import write_json
from simulate.virus.dataset import make_shards

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# The cluster's processes import this file; only the job itself is to run it.
if __name__ == "__main__":
    run, _ = start(snakemake)
    markers = make_shards(
        files.dataset_folder(run.folder),
        snakemake.params.shards,
        files.plan_file(run.folder),
        files.volumes_file(run.folder),
        run.virus.simulation,
        workers=snakemake.threads,
    )
    write_json(snakemake.output[0], {marker["shard"]: marker["sha256"] for marker in markers})
