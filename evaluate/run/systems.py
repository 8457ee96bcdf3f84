"""The systems of this house: a config says by a section of its own which of them its run is."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

PROTEINS = "proteins"
"""Of a config without a section of another system."""

MODULES = {
    "virus": ("evaluate.virus.experiment", "evaluate.virus.experiment"),
    "sfx": ("evaluate.sfx.config", "evaluate.sfx.config"),
    PROTEINS: ("evaluate.run.config", "evaluate.run.preflight"),
}
"""System, the section of a config that tells it -> modules with its `load_config`, and with its `problems_of`."""


class Run(Protocol):
    """What the config of a run holds, whatever its system."""

    run: str
    title: str
    results_dir: Path

    @property
    def on_slurm(self) -> bool:
        """Whether shards are rendered by SLURM jobs of their own, started by a job of the run."""
        ...

    @property
    def folder(self) -> Path:
        """Where the files of the run lie."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The config as it is written to JSON."""
        ...


def system_of(mapping: Mapping[str, Any]) -> str:
    """The system of a config, as read from YAML or of `Run.model_dump`."""
    return next((name for name in MODULES if mapping.get(name) is not None), PROTEINS)


def load_run(mapping: Mapping[str, Any], files: Iterable[Path | str] = ()) -> Any:
    """The config of a run, a `Run` of its system's own type; see `evaluate.run.config.load_config`."""
    return import_module(MODULES[system_of(mapping)][0]).load_config(mapping, files)


def problems_of(run: Run) -> list[str]:
    """What is wrong with a config that can be told only by looking at files, a line each; see the system's own."""
    return list(import_module(MODULES[system_of(vars(run))][1]).problems_of(run))
