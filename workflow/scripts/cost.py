"""Rule cost: what the whole run took."""

from typing import TYPE_CHECKING

from _wiring import start
from evaluate.cost import write_cost
from simulate.provenance import json_digest, source_digest, versions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
settings = run.model_dump(mode="json")
provenance = {
    "source_digest": source_digest("evaluate.cost"),
    "config_digest": json_digest(settings),
    "config": settings,
    "versions": versions(),
}
write_cost(files, run, provenance)
