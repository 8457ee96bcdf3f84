"""Rule twin_figures: every figure of the twin networks."""

from typing import TYPE_CHECKING

from _wiring import start
from evaluate.twin.illustrate import draw_figures

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
draw_figures(files, run)
