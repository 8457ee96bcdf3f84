"""Rule twin_figures: every figure of the twin networks."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from report.twin.draw import draw_figures

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
draw_figures(files, run)
