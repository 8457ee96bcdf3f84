"""Rule random_volumes: the complex fields of every molecule that is made up by chance."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.experiment.reach import reach_q
from simulate.molecules.phantoms import RANDOM
from simulate.stages.volume import make_volume
from train.progress import progress

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
reach = snakemake.wildcards.reach
settings = run.simulation.volume.model_copy(update={"accuracy": run.simulation.volume.random_phantom_accuracy})
names = [structure.id for structure in run.simulation.structures if RANDOM.fullmatch(structure.id)]
files.field(names[0], reach).parent.mkdir(exist_ok=True)
for name in progress(names, "volumes of random molecules", len(names)):
    paths = files.atoms(name), files.field(name, reach), files.volume(name, reach)
    make_volume(paths[0], reach_q(reach), settings, *paths[1:])
