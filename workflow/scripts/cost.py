"""Rule cost: what the whole run took."""

from typing import TYPE_CHECKING

from _wiring import start
from evaluate.circumstances import circumstances
from evaluate.cost import write_cost
from evaluate.provenance import origin

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
provenance = circumstances() | origin(run.model_dump(mode="json"), "evaluate.cost")
write_cost(files, run, provenance)
