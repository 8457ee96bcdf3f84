"""Rule twin_report: one page that tells what the twin networks do."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from report.twin.page import build_page

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
build_page(files, run, files.twin_report)
