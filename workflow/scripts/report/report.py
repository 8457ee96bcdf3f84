"""Rule report: one page that tells the whole run."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from report.classification.page import build_report

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
build_report(files.folder, run, files.report)
