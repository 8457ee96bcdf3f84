"""What the pulses hit, a row for each pattern."""

from collections.abc import Mapping
from pathlib import Path

from simulate import plan
from simulate.atoms import Atoms
from simulate.config import SimulationConfig
from simulate.placement import body_of


def make_plan(config: SimulationConfig, placement: str, atoms_files: Mapping[str, Path], plan_file: Path) -> None:
    """Atoms, by structure id -> the plan of all patterns under one model of placement."""
    bodies = {name: body_of(Atoms.load(atoms_files[name]).positions) for name in config.planned(placement)}
    plan.write(plan.draw(config.plan, placement, bodies), plan_file)
