"""Rule sfx_page: figures and the page about hit finding."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from report.sfx.page import build_page

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
build_page(run, files)
