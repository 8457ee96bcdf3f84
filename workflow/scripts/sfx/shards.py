"""Rule sfx_shards: shards of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.stages.crystal_dataset import make_shards

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
name = snakemake.wildcards.dataset
make_shards(
    run.sfx.datasets[name],
    run.sfx.cluster,
    Path(snakemake.input.plan),
    files.dataset(name),
    list(snakemake.params.shards),
    snakemake.threads,
    Path(snakemake.output[0]),
)
