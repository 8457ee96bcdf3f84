"""The empty store of a dataset, with its labels."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from frames.files import read_json
from frames.geometry import Geometry
from simulate.config import SimulationConfig
from simulate.diffraction.volume import check_sampling
from simulate.experiment.config import DatasetConfig
from simulate.plan import plan as plans
from simulate.plan.plan import Plan
from simulate.plan.shots import draw
from simulate.render import labels
from simulate.render.layout import layout_of


def make_layout(
    config: SimulationConfig, plan_file: Path, geometry_file: Path, records: Mapping[str, Path], folder: Path
) -> None:
    """Plan, geometry and structure records, by id -> the empty store of a dataset, with its labels.

    Raises
    ------
    ValueError naming a structure that the dataset's detector cannot sample.
    """
    geometry, dataset = Geometry.load(geometry_file), config.datasets[folder.name]
    selected = config.selected(folder.name)
    plan = plans.only(plans.read(plan_file), selected, config.planned(dataset.placement))
    plan = plans.select(plan, dataset.select.shares)
    for structure, record in records.items():
        try:
            check_sampling(10 * read_json(record)["radius_nm"], geometry.q_step)
        except ValueError as error:
            raise ValueError(f"dataset {folder.name}, structure {structure}: {error}") from error
    labels.create(folder, layout_of(config, folder.name), plan.table, pulses(plan, dataset), geometry.live)


def pulses(plan: Plan, config: DatasetConfig) -> labels.Pulses:
    """What the pulse of every row was, as a dataset's labels have it."""
    shots = draw(plan, config)
    particles = np.diff(shots.start)
    on_axis = shots.pulse_factor * config.peak_fluence
    total = np.bincount(np.repeat(np.arange(len(shots)), particles), shots.fluence, minlength=len(shots))
    return labels.Pulses(
        fluence=np.divide(total, particles, out=on_axis, where=particles > 0),
        photon_energy_eV=shots.photon_energy_eV,
        beam_centre=shots.beam_centre,
        pulse_factor=shots.pulse_factor,
    )
