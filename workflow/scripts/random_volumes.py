"""Rule random_volumes: the complex fields of every phantom that is made up by chance."""

from pathlib import Path
from typing import TYPE_CHECKING

from _wiring import start
from simulate import stages
from simulate.reach import reach_q
from train.progress import progress

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
reach = reach_q(snakemake.wildcards.reach)
settings = run.simulation.volume.model_copy(update={"accuracy": run.simulation.volume.random_phantom_accuracy})
files = (snakemake.input.atoms, snakemake.output.volumes, snakemake.output.records)
paths = [tuple(map(Path, some)) for some in zip(*files, strict=True)]
for atoms, volume, record in progress(paths, "volumes of random phantoms", len(paths)):
    stages.make_volume(atoms, reach, settings, volume, record)
