"""Rule random_structures: every molecule of the run that is made up by chance."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from simulate.molecules.phantoms import RANDOM
from simulate.stages.structure import make_structure
from train.progress import progress

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
names = [structure.id for structure in run.simulation.structures if RANDOM.fullmatch(structure.id)]
files.atoms(names[0]).parent.mkdir(exist_ok=True)
for name in progress(names, "random molecules", len(names)):
    make_structure(run.simulation.structure(name), run.simulation.archive, files.atoms(name), files.structure(name))
