"""Rule cost: what the whole run took."""

from typing import TYPE_CHECKING

from evaluate.run.circumstances import circumstances
from evaluate.run.job import start
from evaluate.run.provenance import origin
from report.cost.page import write_cost

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
provenance = circumstances() | origin(run.model_dump(mode="json"), "evaluate.run.benchmarks")
write_cost(files, run, provenance)
