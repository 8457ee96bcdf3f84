"""What every rule's script does first: log to the rule's file and to the terminal, and load the run's config."""

import logging
import sys
from typing import TYPE_CHECKING

from evaluate.config import RunConfig, load_config
from evaluate.run_files import RunFiles

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake as SnakemakeObject

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
    run = load_config(snakemake.config)
    return run, RunFiles(run.folder)


def _worth_reading(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.split(".")[0] not in CHATTY
