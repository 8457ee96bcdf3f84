"""Rule virus_select: one method, trained and asked."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.found import make_selection, read_experiment
from simulate.virus.detector import CENTRE

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
names = snakemake.wildcards
experiment = read_experiment(run.folder, CENTRE[run.virus.simulation.detector.geometry][::-1])  # x, y
make_selection(experiment, names.method, int(names.seed), run.detection, run.selection, run.folder)
