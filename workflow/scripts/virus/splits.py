"""Rule virus_splits: frames that networks see."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.stages import make_splits

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
recorded = run.virus.recorded
make_splits(
    run.folder,
    run.virus.splits,
    reject_dimers=run.virus.reject_dimers,
    dealt_by=None if recorded is None else recorded.seed,
)
