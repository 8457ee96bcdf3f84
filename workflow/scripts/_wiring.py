"""What every rule's script does first: log to the rule's file and to the terminal, and load the run's config."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.config import RunConfig, load_config
from evaluate.run_files import RunFiles

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake as SnakemakeObject

    from simulate.render import Inputs

CHATTY = ("distributed", "matplotlib", "fontTools")
"""Libraries of which only warnings are of interest."""


def start(snakemake: "SnakemakeObject") -> tuple[RunConfig, RunFiles]:
    """Set up the log of the job; the run's config and where its files lie."""
    handlers = [logging.FileHandler(snakemake.log[0], mode="w"), logging.StreamHandler()]
    for handler in handlers:
        handler.addFilter(_worth_reading)
    logging.basicConfig(level=logging.INFO, handlers=handlers, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: logging.critical("%s", error, exc_info=(kind, error, trace))
    # Numba takes every core unless told before it starts, and then torch, which has the same OpenMP, does too: two jobs
    # of one thread each on two cores would train at half of their speed, waiting for each other.
    os.environ["NUMBA_NUM_THREADS"] = str(min(snakemake.threads, os.cpu_count() or 1))
    run = load_config(snakemake.config)
    return run, RunFiles(run.folder)


def rendered_from(snakemake: "SnakemakeObject", run: RunConfig) -> "Inputs":
    """The files that a rule names as those that patterns are rendered from."""
    from simulate.reach import reach_of
    from simulate.render import Inputs

    name, files = snakemake.wildcards.dataset, RunFiles(run.folder)
    structures, reach = run.simulation.selected(name), reach_of(run.simulation.datasets[name])
    return Inputs(
        plan=Path(snakemake.input.plan),
        geometry=Path(snakemake.input.geometry),
        # An engine may need one or the other: the rule says which.
        volumes={name: files.field(name, reach) for name in structures} if snakemake.input.volumes else {},
        atoms={name: files.atoms(name) for name in structures} if snakemake.input.atoms else {},
    )


def _worth_reading(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.split(".")[0] not in CHATTY
