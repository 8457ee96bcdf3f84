"""What the scripts of the rules do first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

JOB = """
import sys
from types import SimpleNamespace

import yaml

{before}
sys.path[:0] = {paths}
from evaluate.run.job import start

with open("config.yaml") as file:
    config = yaml.safe_load(file)
start(SimpleNamespace(log=["results/tiny/logs/rule/job.log"], config=config, threads=1, resources={{}}))

import numba


@numba.njit(parallel=True)
def starts_the_threads(n):
    total = 0
    for k in numba.prange(n):
        total += k
    return total


@numba.njit
def compiled_afterwards(n):
    return n + 1


assert compiled_afterwards(starts_the_threads(4)) == 7
print(numba.get_num_threads())
"""


@pytest.mark.parametrize("before", ["import numba", ""])
def test_numba_takes_a_jobs_threads_whenever_it_was_imported(workflow, before) -> None:
    """Of a job that has to compile, which looks at the environment again."""
    (workflow.results / "logs" / "rule").mkdir(parents=True)
    job = JOB.format(before=before, paths=[str(ROOT), str(ROOT / "workflow" / "scripts")])
    done = subprocess.run(
        [sys.executable, "-c", job],
        cwd=workflow.folder,
        env=os.environ | {"NUMBA_NUM_THREADS": "2"},  # as on a machine of two cores, whatever this one has
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"


FAILING = """
import sys
from types import SimpleNamespace

import yaml

sys.path[:0] = {paths}
from evaluate.run.job import start

with open("config.yaml") as file:
    config = yaml.safe_load(file)
start(SimpleNamespace(log=["results/tiny/logs/rule/job.log"], config=config, threads=1, resources={{}}))
import logging

logging.info("at work")
{fails}
"""


@pytest.fixture
def failed(workflow):
    """The terminal's and the log's text of a job whose last line is this."""

    def run(fails: str) -> tuple[str, str]:
        (log := workflow.results / "logs" / "rule" / "job.log").parent.mkdir(parents=True)
        job = FAILING.format(paths=[str(ROOT), str(ROOT / "workflow" / "scripts")], fails=fails)
        command = [sys.executable, "-c", job]
        done = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode != 0
        return done.stderr, log.read_text()

    return run


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (
            "from simulate.molecules import phantoms; phantoms.must_be_known('unicorn')",
            "no phantom 'unicorn'; known: double_ring",
        ),
        ("open('not-there.npy')", "No such file or directory: 'not-there.npy'"),
    ],
)
def test_what_is_wrong_with_files_or_values_is_said_in_a_line(failed, fails: str, said: str) -> None:
    terminal, log = failed(fails)
    for text in (terminal, log):
        assert said in text
        assert "Traceback" not in text
    assert len(terminal.splitlines()) == 1
    assert "at work" in log


@pytest.mark.parametrize("fails", ["import numpy; numpy.zeros(3).reshape(7)", "{}['key']"])
def test_of_a_bug_the_log_has_the_traceback(failed, fails: str) -> None:
    terminal, log = failed(fails)
    assert len(terminal.splitlines()) == 1
    assert "this should not happen: please report it, with results/tiny/logs/rule/job.log" in terminal
    assert "Traceback (most recent call last)" in log


def test_an_interrupt_leaves_no_traceback(failed) -> None:
    terminal, log = failed("raise KeyboardInterrupt")
    assert terminal == ""
    assert "interrupted; the same command goes on where it was" in log
    assert "Traceback" not in log
