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
from _wiring import start

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
