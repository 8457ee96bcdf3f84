"""Runs of the real workflow that several tests look at."""

from pathlib import Path

import pytest

from support.programs.running import ONE_THREAD, TWINS, Workflow


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """An empty folder with the tiny config."""
    made = Workflow(tmp_path)
    made.configure()
    return made


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The tiny run, from phantoms to report, and `snakemake.log`; tests leave it as they find it."""
    made = Workflow(tmp_path_factory.mktemp("finished"))
    made.configure()
    done = made.snakemake("--verbose", *ONE_THREAD)
    assert done.returncode == 0, done.stderr
    (made.folder / "snakemake.log").write_text(done.stderr)
    return made


@pytest.fixture(scope="session")
def twinned(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A finished run of twin networks alone."""
    workflow = Workflow(tmp_path_factory.mktemp("twins"))
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
