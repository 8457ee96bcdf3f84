"""Rule virus_tables: what all selections are worth."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.found import make_tables, read_experiment
from simulate.virus.detector import CENTRE

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
experiment = read_experiment(run.folder, CENTRE[run.virus.simulation.detector.geometry][::-1])  # x, y
make_tables(experiment, run.detection, run.selection, run.folder)
