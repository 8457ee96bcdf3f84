"""Rule volume: the complex field of one structure."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.experiment.reach import reach_q
from simulate.stages.volume import make_volume

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
make_volume(
    Path(snakemake.input.atoms),
    reach_q(snakemake.wildcards.reach),
    run.simulation.volume,
    Path(snakemake.output.volume),
    Path(snakemake.output.record),
)
