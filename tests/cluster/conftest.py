"""A one-node SLURM for all tests of this folder, and runs of the workflow on it."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.programs.on_slurm import CARD, SMALL, OnSlurm, of, quick, wait_for
from support.programs.one_node import one_node_slurm, why_not


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory):
    if why := why_not():
        pytest.skip(why)
    with one_node_slurm(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="session")
def troubled(slurm, tmp_path_factory: pytest.TempPathFactory):
    """A small workflow of jobs that ask for too little, and one that is cancelled; it runs beside the other tests."""
    folder = tmp_path_factory.mktemp("troubled")
    arguments = ["--snakefile", str(Path(__file__).with_name("troubled.smk")), "--directory", str(folder), "--nocolor"]
    log = (folder / "driver.log").open("w")
    command = [sys.executable, "-m", "snakemake", *arguments, *quick(1, 2000)]
    driver = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        (victim,) = wait_for(lambda: of("cancelled", "RUNNING", folder), "the job to be cancelled did not start")
        subprocess.run(["scancel", victim["JobId"]], check=True)
        yield folder, driver
    finally:
        driver.kill()
        driver.wait()


@pytest.fixture(scope="session")
def rendered(troubled, tmp_path_factory: pytest.TempPathFactory) -> OnSlurm:
    """The small run as far as its dataset, through SLURM; of its jobs one was cancelled."""
    made = OnSlurm(tmp_path_factory.mktemp("run"))
    made.write(SMALL)
    with made.driven(CARD) as driver:
        (victim,) = wait_for(lambda: of("plan", "RUNNING", made.folder), "the plan was not begun")
        subprocess.run(["scancel", victim["JobId"]], check=True)
        made.ended(driver)
    return made


@pytest.fixture(scope="session")
def by_hand(rendered, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """sha256 of the shards that a run without SLURM makes."""
    local = rendered.without_shards(tmp_path_factory.mktemp("local"))
    done = local.locally(CARD)
    assert done.returncode == 0, done.stderr
    assert len(local.shards) == 10
    return local.shards


@pytest.fixture(scope="session")
def reported(rendered) -> OnSlurm:
    """The same run, gone on to its report."""
    with rendered.driven() as driver:
        rendered.ended(driver)
    return rendered
