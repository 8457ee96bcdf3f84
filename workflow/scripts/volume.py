"""Rule volume: the complex field of one structure."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import start
from simulate import stages
from simulate.reach import reach_q

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
stages.make_volume(
    Path(snakemake.input.atoms),
    reach_q(snakemake.wildcards.reach),
    run.simulation.volume,
    Path(snakemake.output.volume),
    Path(snakemake.output.record),
)
