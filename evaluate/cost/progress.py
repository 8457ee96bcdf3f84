"""What a run is at, in a line for each job: which of how many, its name, and about how long the rest will take.

Snakemake's own lines say when it looks for jobs, what each reads and writes and why it runs; `--verbose` has them.
"""

import json
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from evaluate.cost.jobs import Job

REFERENCE = Path(__file__).parent / "reference.json"
"""CPU seconds of jobs, a + b · work, by rule and kind; `singlehit estimate --write` made it from a demo."""

UNKNOWN_S = 5.0
"""Of a job whose rule is not in the reference."""

PRIOR_S = 30.0
"""CPU seconds as which it counts that this machine works as fast as that of the reference."""

TOLD_HERE = ("job_info", "job_started", "job_finished", "job_error", "group_info", "progress", "shellcmd")
"""Events of Snakemake's in place of which lines of this module stand."""

CHATTER = ("Select jobs to execute", "Execute ", "Waiting for ", "Exiting because a job execution failed")

INTERRUPTED = "Terminating processes on user request"


def expected_costs(jobs: Iterable[Job]) -> dict[str, float]:
    """Name of each of these jobs -> CPU seconds that it would take on the machine of the reference."""
    lines: dict[str, dict[str, tuple[float, float]]] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    found = {}
    for job in jobs:
        kinds = lines.get(job.rule, {})
        start, each = kinds.get(job.kind) or next(iter(kinds.values()), (UNKNOWN_S, 0.0))
        found[job.name] = start + each * job.work
    return found


class Progress(logging.Handler):
    """Handler of Snakemake's records that says what its jobs are at.

    Parameters
    ----------
    names : of the jobs to be run, paths of their benchmarks below `benchmarks`, without suffix.
    costs : of jobs, by name [CPU seconds], a guess; they only have to be in proportion.
    cores : that jobs share; 0 where they are a cluster's: no time is told then, and of a job that failed its log as
        well, as it said nothing here.
    """

    def __init__(
        self, names: Iterable[str], benchmarks: Path, costs: Mapping[str, float], cores: int, stream: TextIO
    ) -> None:
        super().__init__()
        self._left = {name: costs.get(name, UNKNOWN_S) for name in names}
        self._benchmarks, self._cores, self._stream = benchmarks, cores, stream
        self._total, self._begun, self._done_s = len(self._left), 0, 0.0
        self._running: dict[int, tuple[str, str, float]] = {}
        """id -> name, what is said of it, and when it began"""
        self._start, self._is_interrupted = time.monotonic(), False

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a job that begins or fails; keep account of those that end."""
        match str(getattr(record, "event", "")):
            case "job_info" if benchmark := getattr(record, "benchmark", None):
                name = str(Path(benchmark).relative_to(self._benchmarks).with_suffix(""))
                said = str(getattr(record, "rule_msg", None) or name)
                self._running[getattr(record, "jobid", -1)] = name, said, time.monotonic()
                self._begun += 1
                self._say(f"[{self._begun}/{self._total}{self._time_left()}] {said}")
            case "job_finished":
                name, *_ = self._running.pop(getattr(record, "job_id", -1), ("", "", 0.0))
                self._done_s += self._left.pop(name, 0.0)
            case "job_error" if not self._is_interrupted:
                _, said, _ = self._running.pop(getattr(record, "jobid", -1), ("", "a job", 0.0))
                logs = list(getattr(record, "log", None) or ())
                self._say(f"failed: {said}; log: {', '.join(logs)}")
                for log in () if self._cores else filter(Path.is_file, map(Path, logs)):
                    self._say(log.read_text(encoding="utf-8", errors="replace").rstrip())
            case _ if record.getMessage().startswith(INTERRUPTED):
                self._is_interrupted = True  # and the jobs that Snakemake ends say so, each as a failed one

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def _time_left(self) -> str:
        """`, about 3 min left`: what is left, at the speed so far; nothing where that cannot be told."""
        if not self._cores:
            return ""
        now = time.monotonic()
        # A job that runs has done as much as its share of the cores allows, up to what it is expected to take.
        each = self._cores / max(1, len(self._running))
        begun = sum(min(0.9 * self._left.get(name, 0), each * (now - at)) for name, _, at in self._running.values())
        done = self._done_s + begun
        slowness = (self._cores * (now - self._start) + PRIOR_S) / (done + PRIOR_S)
        return f", about {lasting((sum(self._left.values()) - begun) / self._cores * slowness)} left"


def lasting(seconds: float) -> str:
    """A time in words, as exactly as it can be guessed: `40 s`, `3 min`, `2.5 h`."""
    if seconds < 55:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def is_other(record: logging.LogRecord) -> bool:
    """Whether a record of Snakemake's says something that `Progress` does not."""
    if str(getattr(record, "event", "")) in TOLD_HERE:
        return False
    message = record.getMessage()
    return not message.startswith(CHATTER) and "CalledProcessError in file" not in message


def tell(logger: logging.Logger, progress: Progress) -> None:
    """Tell what the jobs are at in place of the lines that Snakemake has for it."""
    for handler in logger.handlers:
        handler.addFilter(is_other)
    logger.addHandler(progress)
