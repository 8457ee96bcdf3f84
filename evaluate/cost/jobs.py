"""The jobs of a run and how much work each has to do, as the rules of workflow/rules declare it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from frames.provenance import ROOT


class Job(NamedTuple):
    """One job of the workflow."""

    rule: str
    name: str
    """path of its benchmark, without suffix"""
    kind: str
    """jobs of one rule and kind are alike: they cost as their work; a network, an engine"""
    work: float
    """in units of its rule"""
    epochs: int | None = None
    """of a training, which writes its state after each"""

    @property
    def writing(self) -> float:
        """What the bytes that it writes grow with."""
        return self.work if self.epochs is None else self.epochs


def jobs(config: Mapping[str, Any]) -> list[Job]:
    """Every job of a run whose rule declares its work, by name; Snakemake plans them in a process of its own.

    ValueError with what Snakemake says where it cannot plan the run.
    """
    return list(_planned(json.dumps(config)))  # JSON is YAML


@cache  # an estimate asks for the jobs of one run more than once, and planning takes seconds
def _planned(config: str) -> tuple[Job, ...]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(config, encoding="utf-8")
        planned = [sys.executable, str(ROOT / "workflow" / "jobs.py"), str(file)]
        done = subprocess.run(planned, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"Snakemake cannot plan this run:\n{done.stderr.strip()}")
    return tuple(sorted((Job(**job) for job in json.loads(done.stdout)), key=lambda job: job.name))
