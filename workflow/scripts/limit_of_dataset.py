"""Rule limit_of_dataset: the best possible accuracy for one dataset's single hits."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import rendered_from, start
from evaluate.limit import particle_limits
from simulate.dataset import open_dataset
from simulate.files import atomic_path

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
    limits.assign(condition=snakemake.wildcards.dataset, seed=settings["seed"]).to_csv(temporary, index=False)
