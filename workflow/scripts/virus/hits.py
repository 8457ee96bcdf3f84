"""Rule virus_hits: hits of the shots, and their sizes."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.source.place import place_of
from evaluate.virus.stages import make_hits

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
place = place_of(run)
make_hits(run.folder, place.geometry, place.row_column, run.virus.hits, run.virus.sizes)
