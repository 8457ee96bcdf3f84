"""Rule limit_of_dataset: the best possible accuracy for one dataset's single hits."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.limit.limit import particle_limits
from evaluate.run.job import rendered_from, start
from frames.files import atomic_path
from frames.store.dataset import open_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
settings = snakemake.params.settings
limits = particle_limits(
    open_dataset(files.dataset(snakemake.wildcards.dataset)),
    run.simulation,
    rendered_from(snakemake, run),
    **settings,
)
with atomic_path(Path(snakemake.output[0])) as temporary:
    limits.assign(dataset=snakemake.wildcards.dataset, seed=settings["seed"]).to_csv(temporary, index=False)
