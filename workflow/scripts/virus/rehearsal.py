"""Rule virus_rehearsal: simulated frames that ours learns from as well."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.found import make_rehearsal

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
make_rehearsal(run)
