"""Rule virus_tables: what all selections are worth."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.found import make_tables
from evaluate.virus.store import read_experiment

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
experiment = read_experiment(run.folder, run.virus.simulation.detector.centre)
make_tables(experiment, run.detection, run.selection, run.folder)
