"""What the pulses hit, a row for each pattern."""

from collections.abc import Mapping
from pathlib import Path

from simulate.config import SimulationConfig
from simulate.molecules.atoms import Atoms
from simulate.plan import plan
from simulate.plan.placement import body_of


def make_plan(config: SimulationConfig, placement: str, atoms_files: Mapping[str, Path], plan_file: Path) -> None:
    """Atoms, by structure id -> the plan of all patterns under one model of placement."""
    bodies = {name: body_of(Atoms.load(atoms_files[name]).positions) for name in config.planned(placement)}
    plan.write(plan.draw(config.plan, placement, bodies), plan_file)
