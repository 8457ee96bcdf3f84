"""Runs of the real workflow that several tests look at."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.programs import warm
from support.programs.running import ONE_THREAD, TWINS, Workflow


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """That starts snakemake and its jobs where how they are started is not what is tested."""
    with warm.served() as path:
        yield path


@pytest.fixture
def workflow(tmp_path: Path, server: Path) -> Workflow:
    """An empty folder with the tiny config."""
    made = Workflow(tmp_path, server)
    made.configure()
    return made


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, server: Path) -> Workflow:
    """The tiny run, from phantoms to report, and `snakemake.log`; tests leave it as they find it.

    Run as users do, every job a program of its own that imports what it needs.
    """
    made = Workflow(tmp_path_factory.mktemp("finished"))
    made.configure()
    done = made.snakemake("--verbose", *ONE_THREAD)
    assert done.returncode == 0, done.stderr
    (made.folder / "snakemake.log").write_text(done.stderr)
    return replace(made, server=server)


@pytest.fixture(scope="session")
def twinned(tmp_path_factory: pytest.TempPathFactory, server: Path) -> Workflow:
    """A finished run of twin networks alone."""
    workflow = Workflow(tmp_path_factory.mktemp("twins"), server)
    config = workflow.configure(
        simulation__random_phantoms=2,
        simulation__datasets={
            "mixed": {"base": "clean"},
            "known": {"base": "clean", "select": {"structures": "phantoms"}},
            "dim": {"base": "poster"},
        },
        simulation__storage__shards_per_job=40,  # all: starting a job takes longer than its shards
        twins=TWINS,
        evaluation={"twins": {"evaluate_on": ["dim"], "labels": [1, 3], "draws": 2}},
    )
    del config["training"]
    workflow.write(config)
    done = workflow.snakemake(*ONE_THREAD)
    assert done.returncode == 0, done.stderr
    return workflow
