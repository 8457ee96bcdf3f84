"""Patterns of made-up molecules that no training has seen, simulated in memory: a line of the card to check.

Numbers of these molecules begin where those of config/unseen.yaml are far behind. The experiment is `ph13` of
config/twin.yaml: 10¹³ photons per pulse, Poisson, Gaussian noise of 0.15.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulate.config import SimulationConfig
from simulate.experiment.reach import reach_of, reach_q
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
    """Patterns, sample by sample."""

    frames: NDArray[np.float32]
    """(n, ny, nx) photons as the detector reads them"""
    hit_multiplicity: NDArray[np.int64]
    """(n,)"""
    structure: NDArray[np.str_]
    """(n,)"""


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
        source = Source(config, "trial", _inputs(config, Path(folder)))
        plan = source.plan(0, 0)
        frames = source.read(plan).astype(np.float32)
    return Trial(frames, plan.table["hit_multiplicity"].to_numpy(np.int64), plan.table["structure"].to_numpy(str))


def _split(n: int) -> dict[str, float]:
    """n patterns of a class are read; those of the other splits are planned, as they must be, and never made."""
    whole = n + 2 * UNREAD
    return {"train": n / whole, "validation": UNREAD / whole, "test": UNREAD / whole}


def _inputs(config: SimulationConfig, folder: Path) -> Inputs:
    """Everything that patterns are rendered from, made in a folder."""
    dataset = config.datasets["trial"]
    make_geometry(dataset, folder / "geometry.npz", folder / "geometry.json")
    reach, volumes, atoms = reach_q(reach_of(dataset)), {}, {}
    for structure in config.structures:
        name = structure.id
        volumes[name], atoms[name] = folder / f"{name}-volume.npz", folder / f"{name}.npz"
        make_structure(structure, config.archive, atoms[name], folder / f"{name}.json")
        settings = config.volume
        if structure.source == "phantom":
            settings = settings.model_copy(update={"accuracy": settings.random_phantom_accuracy})
        make_volume(atoms[name], reach, settings, volumes[name], folder / f"{name}-volume.json")
    return Inputs(folder / "plan.parquet", folder / "geometry.npz", volumes, atoms)
