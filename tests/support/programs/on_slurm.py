"""The real workflow through the SLURM profile, on the cluster of one_node.py, and what SLURM says of its jobs."""

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frames.files import sha256
from support.programs.running import ROOT, TINY, TWINS, Workflow

PROFILE = ROOT / "workflow" / "profiles" / "slurm"

SMALL: dict[str, Any] = {
    **TINY,
    "simulation": {
        **TINY["simulation"],
        "datasets": {"noise_free": {"base": "clean"}},
        # Ten shards in two jobs, each a second of work and more: what is done to a job in between has to find it there.
        "plan": {**TINY["simulation"]["plan"], "patterns_per_class": 1500},
        "storage": {"patterns_per_shard": 640, "shards_per_job": 5},
    },
    # A GPU is asked for, as auto would take one; on a node that only says it has one, auto takes the CPU.
    "training": {**TINY["training"], "device": "auto"},
    "evaluation": {},
}
WITH_TWINS: dict[str, Any] = {
    **SMALL,
    "twins": {
        **{key: TWINS[key] for key in ("families", "recipe")},
        "datasets": ["noise_free"],
        "folds": ["none"],
        "encoders": {"azimuthal": {}},
    },
    "evaluation": {"twins": {"baselines": ["total_intensity"], "labels": [1], "draws": 1}},
}
CARD = "results/tiny/datasets/noise_free/dataset.json"


@dataclass(frozen=True)
class OnSlurm(Workflow):
    """A folder in which snakemake is run on one config, through the SLURM profile."""

    def command(self, *arguments: str, configfile: Path | None = None) -> list[str]:
        # Of the profile only what the node is, and how long is waited, is another here.
        return [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--nocolor"),
            *("--directory", str(self.folder), "--configfile", str(configfile or self.folder / "config.yaml")),
            *quick(2, 4000, *arguments),
        ]

    @contextlib.contextmanager
    def driven(self, *arguments: str) -> Iterator[subprocess.Popen]:
        """Run in the background; killed afterwards, where it has not ended."""
        driver = self.start(*arguments)
        try:
            yield driver
        finally:
            if driver.poll() is None:
                self.kill(driver)

    def ended(self, driver: subprocess.Popen) -> None:
        """It comes to a good end; AssertionError with what it said, where it does not."""
        assert driver.wait(timeout=1800) == 0, (self.folder / "background.log").read_text()[-20_000:]

    def locally(self, *arguments: str) -> subprocess.CompletedProcess:
        """The same without SLURM."""
        return subprocess.run(
            Workflow(self.folder).command(*arguments), capture_output=True, text=True, check=False, timeout=600
        )

    @property
    def shards(self) -> dict[str, str]:
        """sha256 of every shard."""
        folder = self.results / "datasets" / "noise_free" / "patterns.zarr"
        return {
            str(f.relative_to(folder)): sha256(f)
            for f in sorted(folder.rglob("expected_photons/c/**/*"))
            if f.is_file()
        }

    def copied(self, folder: Path) -> "OnSlurm":
        """A copy; times of files are kept, as snakemake looks at them."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, copy_function=shutil.copy2)
        return OnSlurm(folder)

    def without_shards(self, folder: Path) -> "OnSlurm":
        """A copy in which everything up to the empty store is done, and no shard."""
        copy = self.copied(folder)
        dataset = copy.results / "datasets" / "noise_free"
        for made in ("jobs", "shards", "patterns.zarr/expected_photons/c"):
            shutil.rmtree(dataset / made)
        (dataset / "dataset.json").unlink()
        return copy


def quick(cores: int, mem_mb: int, *arguments: str) -> list[str]:
    """Arguments of snakemake: the profile, for a node of this size that answers at once."""
    return [
        *("--workflow-profile", str(PROFILE), "--cores", str(cores), "--resources", f"mem_mb={mem_mb}", "gpu=1"),
        *("--latency-wait", "10", "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"),
        *arguments,
    ]


def wait_for(what: Callable[[], Any], why: str, timeout_s: float = 600) -> Any:
    """What it gives, once that is true; AssertionError after the time."""
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.2)
    return found


def scontrol(*arguments: str) -> str:
    return subprocess.run(["scontrol", *arguments], check=True, capture_output=True, text=True).stdout


def jobs(folder: Path) -> list[dict[str, str]]:
    """All jobs that were submitted from this folder, also those that have ended."""
    lines = scontrol("--oneliner", "show", "jobs").splitlines()
    found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    return [job for job in found if job.get("WorkDir") == str(folder)]


def of(rule: str, state: str, folder: Path) -> list[dict[str, str]]:
    """Those of a rule, or group, in this state."""
    return [
        job
        for job in jobs(folder)
        if job.get("Comment", "").startswith(f"rule_{rule}") and job["JobState"].startswith(state)
    ]


def memory(job: dict[str, str]) -> int:
    """That a job asked for [MiB]."""
    number, unit = re.search(r"mem=([\d.]+)([MG])", job["TRES"]).groups()
    return round(float(number) * {"M": 1, "G": 1024}[unit])
