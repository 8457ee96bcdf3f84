"""Rule virus_tables: what all selections are worth."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.found import make_tables, read_experiment
from evaluate.virus.source.place import place_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
experiment = read_experiment(run.folder, place_of(run).xy)
make_tables(experiment, run.detection, run.selection, run.folder)
