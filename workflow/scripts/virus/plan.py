"""Rule virus_plan: what each shot hits."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus import files
from simulate.virus.dataset import make_plan

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
make_plan(files.plan_file(run.folder), files.volumes_file(run.folder), run.virus.simulation)
