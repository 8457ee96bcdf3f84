"""Rule virus_seen: what methods see of the frames, read once."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.found import make_seen, read_experiment
from evaluate.virus.source.place import place_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
experiment = read_experiment(run.folder, place_of(run).xy, seen=False)
make_seen(experiment, run.detection, run.selection, run.folder)
