"""What a run says of its jobs while they run."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from evaluate.cost import progress
from evaluate.cost.estimate import main
from evaluate.cost.jobs import jobs
from evaluate.cost.progress import Progress, expected_costs, is_other, lasting
from evaluate.run.config_files import read_config

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["structure/ball", "train/clean/late10-seed0", "report"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time [s], to be set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def record(message: str = "", **extra: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, **extra})


def begun(number: int) -> logging.LogRecord:
    benchmark = f"results/r/benchmarks/{NAMES[number]}.tsv"
    return record(event="job_info", jobid=number, benchmark=benchmark, rule_msg=f"job {number}")


def ended(number: int) -> logging.LogRecord:
    return record(event="job_finished", job_id=number)


def made(cores: int = 2) -> tuple[Progress, io.StringIO]:
    output = io.StringIO()
    costs = {"structure/ball": 20.0, "train/clean/late10-seed0": 600.0, "report": 20.0}
    return Progress(NAMES, Path("results/r/benchmarks"), costs, cores, output), output


def test_a_job_is_named_with_which_of_how_many_it_is_and_the_time_left(clock: list[float]) -> None:
    told, output = made()
    told.handle(begun(0))
    clock[0] = 10  # as expected: 20 CPU seconds on two cores
    told.handle(ended(0))
    told.handle(begun(1))
    clock[0] = 310
    told.handle(ended(1))
    told.handle(begun(2))
    assert output.getvalue().splitlines() == [
        "[1/3, about 5 min left] job 0",
        "[2/3, about 5 min left] job 1",
        "[3/3, about 10 s left] job 2",
    ]


def test_on_a_slower_machine_more_is_left(clock: list[float]) -> None:
    told, output = made()
    told.handle(begun(0))
    clock[0] = 100
    told.handle(ended(0))
    told.handle(begun(1))
    (left,) = [line.split("about ")[1] for line in output.getvalue().splitlines()[1:]]
    assert int(left.split(" min")[0]) > 15


def test_of_a_cluster_no_time_is_told_but_the_log_of_what_failed(tmp_path: Path) -> None:
    told, output = made(cores=0)
    (log := tmp_path / "job.log").write_text("CRITICAL root: no such entry\n")
    told.handle(begun(0))
    told.handle(record(event="job_error", jobid=0, log=[str(log)]))
    assert output.getvalue().splitlines() == [
        "[1/3] job 0",
        f"failed: job 0; log: {log}",
        "CRITICAL root: no such entry",
    ]


def test_jobs_that_are_ended_with_the_run_did_not_fail(clock: list[float]) -> None:
    told, output = made()
    told.handle(begun(0))
    told.handle(record("Terminating processes on user request, this might take some time."))
    told.handle(record(event="job_error", jobid=0, log=["job.log"]))
    assert "failed" not in output.getvalue()


def test_what_snakemake_says_beside_it_is_kept_but_for_its_chatter() -> None:
    assert is_other(record("Write-protected output files for rule report"))
    assert is_other(record("Job stats: ...", event="run_info"))
    assert not is_other(record("Select jobs to execute..."))
    assert not is_other(record("Finished jobid: 3", event="job_finished"))
    assert not is_other(
        record("RuleException:\nCalledProcessError in file x, line 3:\nCommand 'y' died", event="error")
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "5 s"), (42, "40 s"), (57, "1 min"), (170, "3 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_times_are_told_as_exactly_as_they_are_known(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_every_job_of_the_demo_is_expected_to_take_what_it_took() -> None:
    planned = jobs(read_config(ROOT / "config" / "demo.yaml"))
    reference = json.loads(progress.REFERENCE.read_text())
    assert {(job.rule, job.kind) for job in planned} == {(rule, kind) for rule in reference for kind in reference[rule]}
    costs = expected_costs(planned)
    assert set(costs) == {job.name for job in planned}
    assert all(cost > 0.1 for cost in costs.values())
    assert max(costs, key=costs.__getitem__).startswith("train")


def test_other_kinds_are_expected_to_take_what_is_known_of_their_rule() -> None:
    planned = jobs(read_config(ROOT / "config" / "conditions.yaml"))
    costs = expected_costs(planned)
    assert set(costs) == {job.name for job in planned}


def test_without_a_finished_run_there_is_no_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(ROOT / "config" / "demo.yaml"), "--from", str(tmp_path), "--write", str(tmp_path / "made.json")]
    assert main(arguments) == 2
    assert "finish that run first" in capsys.readouterr().err
    assert not (tmp_path / "made.json").exists()
