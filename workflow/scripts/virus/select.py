"""Rule virus_select: one method, trained and asked."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.found import make_selection, read_experiment
from evaluate.virus.source.place import place_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
names = snakemake.wildcards
experiment = read_experiment(run.folder, place_of(run).xy)
make_selection(experiment, names.method, int(names.seed), run.detection, run.selection, run.folder)
