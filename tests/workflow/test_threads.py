"""How many threads the rules give their jobs, and that jobs keep to it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Client

from evaluate.run.config import load_config
from simulate.config import LocalClusterConfig
from simulate.render.cluster import start_cluster
from support.programs.running import ROOT, TWINS

RULES = ROOT / "workflow" / "rules"


def threads_of(cores: int | None, nodes: int | None = None, gpu: bool = False) -> dict[str, Any]:
    """What workflow/rules/threads.smk defines, where Snakemake has so many cores, or jobs on a cluster."""
    shared = {
        "has_gpu": lambda: gpu,
        "workflow": SimpleNamespace(is_main_process=True, nodes=nodes, resource_settings=SimpleNamespace(cores=cores)),
    }
    exec((RULES / "threads.smk").read_text(), shared)
    return shared


def n_trainings(config: Any) -> int:
    """What workflow/rules/proteins/common.smk counts."""
    (line,) = [line for line in (RULES / "proteins" / "common.smk").read_text().splitlines() if "N_TRAININGS =" in line]
    shared = {"RUN": config, "TRAININGS": config.training.trainings}
    exec(line, shared)
    return int(shared["N_TRAININGS"])


@pytest.mark.parametrize(
    ("cores", "jobs", "threads"), [(1, 5, 1), (2, 5, 1), (2, 2, 1), (2, 1, 2), (16, 5, 3), (64, 1, 16), (4, 0, 4)]
)
def test_jobs_alike_share_the_cores_of_this_machine(cores: int, jobs: int, threads: int) -> None:
    shared = threads_of(cores)
    assert shared["shared_cores"](jobs, most=16) == threads
    assert threads * min(jobs, cores) <= cores


def test_on_a_cluster_each_job_has_cores_of_its_own() -> None:
    shared = threads_of(cores=16, nodes=200)
    assert shared["shared_cores"](5, most=16) == 16
    assert shared["shared_cores"](5, most=8) == 8


def test_trainings_of_all_kinds_run_side_by_side(workflow) -> None:
    """Three seeds of a network on eight cores; with three of a twin network there are six."""
    config = load_config(workflow.configure(training__seeds=[0, 1, 2]))
    n = n_trainings(config)
    assert threads_of(cores=8)["training_threads"](config.training, n) == 2
    twins = {**TWINS, "datasets": ["noise_free"], "encoders": {"late5": {"seeds": [0, 1, 2], "folds": ["none"]}}}
    asked = {"twins": {"labels": [1]}}
    config = load_config(workflow.configure(training__seeds=[0, 1, 2], twins=twins, evaluation=asked))
    n = n_trainings(config)
    assert threads_of(cores=8)["training_threads"](config.training, n) == 1
    assert threads_of(cores=8)["training_threads"](config.twins, n) == 1


def test_on_a_gpu_trainings_take_turns(workflow) -> None:
    """They would share its memory; the config of these tests asks for the CPU."""
    config = load_config(workflow.configure(training__seeds=[0, 1, 2]))
    assert threads_of(cores=2, gpu=True)["training_threads"](config.training, 3) == 1
    config = load_config(workflow.configure(training__seeds=[0, 1, 2], training__device="auto"))
    assert threads_of(cores=2, gpu=True)["training_threads"](config.training, 3) == 16  # Snakemake takes the less


def test_the_config_may_say_how_many(workflow) -> None:
    config = load_config(workflow.configure(training__threads=3))
    assert threads_of(cores=1)["training_threads"](config.training, 1) == 3
    with pytest.raises(ValueError, match=r"training\.threads"):
        load_config(workflow.configure(training__threads=0))


JOB = """
import sys
from types import SimpleNamespace

import numpy
import yaml

sys.path[:0] = {paths}
from evaluate.run.job import measures_threads, start

with open("config.yaml") as file:
    config = yaml.safe_load(file)
start(SimpleNamespace(log=["results/tiny/logs/rule/job.log"], config=config, threads=1, resources={{}}))

import finufft
import numba
import torch
from threadpoolctl import threadpool_info

pools = {{pool["prefix"]: pool["num_threads"] for pool in threadpool_info()}}
assert {{"libgomp", "libscipy_openblas"}} <= set(pools), pools
assert measures_threads(None, 1) and not measures_threads(1, 1)
assert not measures_threads(2, 1)
print(max(*pools.values(), torch.get_num_threads(), numba.get_num_threads()))
"""


def test_no_library_takes_more_threads_than_the_job_has(workflow) -> None:
    """Whether it was there before the job knew, as numpy, or came later."""
    (workflow.results / "logs" / "rule").mkdir(parents=True)
    given = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    workflow.configure()
    done = subprocess.run(
        [sys.executable, "-c", JOB.format(paths=[str(ROOT), str(ROOT / "workflow" / "scripts")])],
        cwd=workflow.folder,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"
    assert done.stderr.count("asks for trainings of 2 threads, but this job has 1") == 1


def test_workers_have_a_thread_each_however_many_the_job_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask would hand on what the environment says."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    with start_cluster(LocalClusterConfig(kind="local"), 2, 2, tmp_path) as cluster, Client(cluster) as client:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            assert list(client.run(os.getenv, name).values()) == ["1", "1"]
