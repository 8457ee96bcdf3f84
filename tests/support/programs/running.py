"""Running the real workflow in a folder of its own."""

import copy
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.programs import warm

ROOT = Path(__file__).resolve().parents[3]

TINY: dict[str, Any] = {
    "run": "tiny",
    "title": "Two phantoms, as small as it gets",
    "simulation": {
        "structures": [
            {"id": "globule", "source": "phantom", "phantom": "globule"},
            {"id": "wishbone", "source": "phantom", "phantom": "wishbone"},
        ],
        "volume": {"accuracy": 1e-2},
        "plan": {"patterns_per_class": 40, "hit_multiplicities": [1, 2]},
        "datasets": {"noise_free": {"base": "clean"}, "noisy": {"base": "poster"}},
        "storage": {"patterns_per_shard": 16, "shards_per_job": 5},
    },
    "training": {
        "models": ["late10"],
        "datasets": ["noise_free"],
        "seeds": [0],
        "device": "cpu",
        "recipe": {"epochs": 2, "batch_size": 32},
    },
    "evaluation": {
        "cross_dataset": {"noise_free": ["noisy"]},
        "bayes_limit": {"datasets": ["noisy"], "patterns_per_structure": 2, "orientations": [8]},
    },
}


TWINS = {
    "datasets": ["mixed"],
    "families": {"rods": ["wishbone"]},
    "device": "cpu",
    "recipe": {"base": "ours", "epochs": 1, "batch_size": 32},
    "encoders": {
        "azimuthal": {},
        "grid": {
            "network": "dense",
            "datasets": ["known"],
            "recipe": {"base": "poster", "epochs": 1},
            "embedding_dims": [2, 4],
            "margins": [0.1],
            "folds": ["none"],
        },
    },
}


ONE_THREAD = (
    "--set-threads",
    *(f"{rule}=1" for rule in ("dataset_shards", "train", "train_twin", "predict", "embed", "limit_of_dataset")),
)
"""Options of a run beside others: a process for each worker of a job costs more than it does for so few shards."""


@dataclass(frozen=True)
class Workflow:
    """A folder in which snakemake is run on one config."""

    folder: Path
    server: Path | None = None
    """of `warm.py`, to run snakemake and its jobs by, but those of `start`"""

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny"

    def configure(self, **changes: Any) -> dict[str, Any]:
        """Write the tiny config with some values changed, named as `simulation__plan__seed`."""
        config = copy.deepcopy(TINY)
        for key, value in changes.items():
            *sections, last = key.split("__")
            section = config
            for name in sections:
                section = section.setdefault(name, {})
            section[last] = value
        self.write(config)
        return config

    def write(self, config: dict[str, Any]) -> None:
        """This is the config from now on."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def command(self, *arguments: str, configfile: Path | None = None) -> list[str]:
        config = configfile or self.folder / "config.yaml"
        return [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(self.folder), "--configfile", str(config), "--cores", "2", "--nocolor", *arguments),
        ]

    def snakemake(self, *arguments: str, configfile: Path | None = None) -> subprocess.CompletedProcess:
        """Run to the end; standard error holds what snakemake says."""
        command = self.command(*arguments, configfile=configfile)
        if self.server is not None:
            return warm.run(self.server, command[1:])
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)

    def planned(self, *targets: Path, configfile: Path | None = None) -> Counter[str]:
        """Jobs per rule that a dry run announces, by default for the whole run; empty when there is nothing to do."""
        wanted = [str(target.relative_to(self.folder)) for target in targets]
        done = self.snakemake(*wanted, "--dry-run", "--quiet", "rules", configfile=configfile)
        assert done.returncode == 0, done.stderr
        jobs: Counter[str] = Counter()
        for line in (done.stdout + done.stderr).splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                jobs[words[0]] = int(words[1])
        return jobs

    def start(self, *arguments: str) -> subprocess.Popen:
        """Run in the background, in a process group of its own."""
        log = (self.folder / "background.log").open("w")
        return subprocess.Popen(
            self.command(*arguments),
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Of a suite that a shell runs in the background: it ignores SIGINT, as would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    @staticmethod
    def kill(process: subprocess.Popen) -> None:
        """End snakemake and all its jobs at once, as a power cut does."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
