"""Patterns of made-up molecules that no training has seen, simulated in memory: a line of the card to check.

Numbers of these molecules begin where those of config/unseen.yaml are far behind. The experiment is `ph13` of
config/twin.yaml: 10¹³ photons per pulse, Poisson, Gaussian noise of 0.15.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from simulate.config import SimulationConfig
from simulate.experiment.reach import reach_of, reach_q
from simulate.molecules.atoms import Atoms
from simulate.plan import plan as plans
from simulate.plan.placement import body_of
from simulate.render.fresh import Source
from simulate.render.images import Inputs
from simulate.stages.geometry import make_geometry
from simulate.stages.structure import make_structure
from simulate.stages.volume import make_volume

FIRST = 100_000
"""Number of the first made-up molecule; 10,000 are the most that a config may have."""

PH13: Mapping[str, Any] = {
    "base": "poster",
    "photons_per_pulse": 1e13,
    "beam": {"fluence_jitter": {"model": "none"}},
    "readout": {"read_noise_photons": 0.15},
    "select": {"shares": {1: 0.5, 2: 1 / 6, 3: 1 / 6, 4: 1 / 6}},
}
"""Single and multiple hits as frequent."""


UNREAD = 6
"""Patterns of a class in each split that is not read: of each number of particles at least one, by the shares."""


class Trial(NamedTuple):
    """Patterns and what they are."""

    frames: NDArray[np.float32]
    """(n, ny, nx) photons as the detector reads them"""
    hit_multiplicity: NDArray[np.int64]
    """(n,)"""
    structure: NDArray[np.str_]
    """(n,)"""
    split: NDArray[np.str_]
    """(n,) train, validation or test"""

    def of(self, structures: Collection[str]) -> Self:
        """Patterns of these structures."""
        return self.take(np.isin(self.structure, [*structures]))

    def take(self, mine: NDArray[np.bool_]) -> Self:
        """Some of them."""
        return type(self)(self.frames[mine], self.hit_multiplicity[mine], self.structure[mine], self.split[mine])


def made_up(n_molecules: int) -> list[dict[str, str]]:
    """Structures of a config: so many random phantoms and random assemblies that no training has seen, in turn."""
    kinds = ("random", "assembled")
    names = [f"{kinds[n % 2]}-{FIRST + n // 2}" for n in range(n_molecules)]
    return [{"id": name, "source": "phantom", "phantom": name} for name in names]


def simulated(
    structures: Sequence[Mapping[str, Any]],
    patterns_each: int,
    dataset: Mapping[str, Any] = PH13,
    archive: Mapping[str, Any] | None = None,
) -> Trial:
    """Patterns of these structures of a config, `patterns_each` of every one, which is to be a multiple of six.

    Parameters
    ----------
    dataset : an experiment, as in a config.
    archive : where PDB entries come from, as in a config; the default's where there is none.

    Raises
    ------
    FileNotFoundError, ValueError: as of simulate.stages.structure and simulate.stages.volume.
    """
    config = SimulationConfig.model_validate(
        {
            "structures": list(structures),
            "plan": {"seed": 4, "patterns_per_class": patterns_each + 2 * UNREAD, "split": _split(patterns_each)},
            "datasets": {"trial": dict(dataset)},
            **({} if archive is None else {"archive": dict(archive)}),
        }
    )
    with TemporaryDirectory() as folder:
        source = Source(config, "trial", inputs_of(config, "trial", Path(folder)))
        return _read(source, source.plan(0, 0))


def asked_about(config: SimulationConfig, name: str, folder: Path) -> Trial:
    """The validation and test patterns of a dataset of a config, the same that its run would hold.

    Parameters
    ----------
    folder : that molecules and volumes are kept in, and looked for.
    """
    inputs = inputs_of(config, name, folder)
    dataset = config.datasets[name]
    bodies = {key: body_of(Atoms.load(inputs.atoms[key]).positions) for key in config.planned(dataset.placement)}
    drawn = plans.only(plans.draw(config.plan, dataset.placement, bodies), config.selected(name), [*bodies])
    plan = plans.select(drawn, dataset.select.shares)
    asked = np.flatnonzero(plan.table["split"].to_numpy(str) != "train")
    return _read(Source(config, name, inputs), plan.take(asked))


def _read(source: Source, plan: plans.Plan) -> Trial:
    columns = (plan.table[key] for key in ("structure", "split"))
    numbers = plan.table["hit_multiplicity"].to_numpy(np.int64)
    return Trial(source.read(plan).astype(np.float32), numbers, *(column.to_numpy(str) for column in columns))


def _split(n: int) -> dict[str, float]:
    """n patterns of a class are read; those of the other splits are planned, as they must be, and never made."""
    whole = n + 2 * UNREAD
    return {"train": n / whole, "validation": UNREAD / whole, "test": UNREAD / whole}


def inputs_of(config: SimulationConfig, name: str, folder: Path) -> Inputs:
    """Everything that patterns of a dataset are rendered from, made in a folder where it is not there yet."""
    dataset = config.datasets[name]
    geometry = folder / f"geometry-{name}.npz"
    make_geometry(dataset, geometry, geometry.with_suffix(".json"))
    reach, volumes, atoms = reach_of(dataset), {}, {}
    for key in config.selected(name):
        structure = config.structure(key)
        volumes[key], atoms[key] = folder / f"{key}-{reach}.npz", folder / f"{key}.npz"
        if not (record := atoms[key].with_suffix(".json")).exists():  # the record comes last
            make_structure(structure, config.archive, atoms[key], record)
        settings = config.volume
        if structure.kind != "deposited":
            settings = settings.model_copy(update={"accuracy": settings.random_phantom_accuracy})
        if not (record := volumes[key].with_name(volumes[key].stem + ".json")).exists():
            make_volume(atoms[key], reach_q(reach), settings, volumes[key], record)
    return Inputs(folder / "plan.parquet", geometry, volumes, atoms)
