"""Rule validation: every check at full size, and the page that tells of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.run.config import load_config, read_config
from evaluate.run.job import start
from simulate.molecules import phantoms
from validate.fixtures import Molecule
from validate.page import Size, deposited, findings, write

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

start(snakemake)
# The stand-ins, whatever run is being made.
standins = load_config(read_config(snakemake.input.standins)).simulation
structures, sources = deposited(standins.structures, standins.archive)
large = [molecule for molecule in structures if molecule.name == "4a0v"]
molecules = [*(Molecule(name, phantoms.build(name)) for name in ("globule", "double_ring")), *large]
tabled = structures or [Molecule(name, phantoms.build(name)) for name in phantoms.PHANTOMS]
page = Path(snakemake.output.page)
write(
    page,
    page.parent / "validation",
    list(findings(Size(), molecules, tabled)),
    sources,
    "snakemake validation --cores 2",
)
