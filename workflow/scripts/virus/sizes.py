"""Rule virus_sizes: sizes of the shots."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.source.place import place_of
from evaluate.virus.stages import make_sizes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
place = place_of(run)
make_sizes(run.folder, place.geometry, place.row_column, run.virus.sizes)
