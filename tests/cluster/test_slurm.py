"""The workflow on a real SLURM: to its report, with what it asks for, and when jobs or the driver are lost."""

import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from frames.store import integrity
from support.programs.on_slurm import CARD, SMALL, WITH_TWINS, OnSlurm, jobs, memory, of, scontrol, wait_for

pytestmark = pytest.mark.slurm


def test_a_dataset_is_the_same_as_without_slurm(rendered, by_hand) -> None:
    assert rendered.shards == by_hand
    assert integrity.verify(rendered.results / "datasets" / "noise_free") == []


def test_a_cancelled_job_is_tried_again_with_twice_as_much(rendered) -> None:
    """Of memory and time, as every rule's job: why the first one ended is not asked."""
    first, second = of("plan", "", rendered.folder)
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert memory(second) == pytest.approx(2 * memory(first), abs=1)  # whole MiB
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:30:00", "01:00:00")


def test_a_gpu_that_is_not_there_is_said(rendered, tmp_path) -> None:
    run = rendered.copied(tmp_path)
    run.write({**SMALL, "training": {**SMALL["training"], "device": "cuda"}})
    done = run.snakemake("results/tiny/models/noise_free/late10/seed0/model.pt", "--retries", "0")
    assert done.returncode != 0
    said = "device cuda was asked for, but torch"
    assert said in (run.results / "logs" / "train" / "noise_free" / "late10-seed0.log").read_text()
    assert said in done.stderr


def markers(run: OnSlurm) -> list[Path]:
    return list((run.results / "datasets" / "noise_free" / "shards").glob("[0-9]*.json"))


def orphans_of(run: OnSlurm) -> list[str]:
    """Ids of the jobs that are still there, and held, after the driver is killed when it has the first shard."""
    with run.driven(CARD) as driver:
        wait_for(lambda: markers(run), "no shard was written")
        held = [job["JobId"] for job in of("dataset_shards", "RUNNING", run.folder)]
        for job in held:
            scontrol("suspend", job)
        second = run.snakemake(CARD)
        assert second.returncode != 0
        assert "Directory cannot be locked" in second.stderr
        run.kill(driver)
    assert not (run.folder / CARD).exists()
    return held


def test_a_second_driver_is_refused_and_a_killed_one_resumed_after_its_jobs_were_cancelled(
    rendered, by_hand, tmp_path
) -> None:
    """As docs/guide/cluster.md says; shards that stood are kept."""
    run = rendered.without_shards(tmp_path)
    held = orphans_of(run)
    assert held
    (name,) = {job["JobName"] for job in jobs(run.folder)}
    assert f"SLURM run ID: {name}" in (run.folder / "background.log").read_text()
    subprocess.run(["scancel", "--name", name], check=True)
    wait_for(lambda: not of("", "SUSPENDED", run.folder) + of("", "RUNNING", run.folder), "jobs were not cancelled")
    stood = {file: file.stat().st_mtime_ns for file in markers(run)}
    assert run.snakemake("--unlock").returncode == 0
    done = run.snakemake(CARD)
    assert done.returncode == 0, done.stderr
    assert run.shards == by_hand
    assert {file: file.stat().st_mtime_ns for file in stood} == stood


def test_a_killed_driver_is_resumed_while_its_jobs_run_on(rendered, by_hand, tmp_path) -> None:
    """A new job for the same shards waits for the old one to end."""
    run = rendered.without_shards(tmp_path)
    held = orphans_of(run)
    assert held
    assert run.snakemake("--unlock").returncode == 0
    logs = run.folder / "results" / "slurm_logs" / "rule_dataset_shards"

    def waits() -> bool:
        return any("is at work on this already" in log.read_text() for log in logs.rglob("*.log"))

    with run.driven(CARD) as driver:
        wait_for(waits, "the new jobs did not wait for the old ones")
        for job in held:
            scontrol("resume", job)
        run.ended(driver)
    assert run.shards == by_hand
    assert integrity.verify(run.results / "datasets" / "noise_free") == []


def test_one_cluster_of_dask_makes_the_same_bytes(rendered, by_hand, tmp_path) -> None:
    """Workers are SLURM jobs; one of them is cancelled while there is work, and replaced."""
    run = rendered.without_shards(tmp_path)
    cluster = {"kind": "slurm", "partition": "cpu", "workers_min": 2, "workers_max": 2, "memory_gb": 1.5}
    run.write({**SMALL, "simulation": {**SMALL["simulation"], "cluster": cluster}})

    def workers() -> list[str]:
        return [job["JobId"] for job in jobs(run.folder) if job["JobName"] == "dask-worker"]

    def at_work() -> list[str]:
        logs = (run.results / "datasets" / "noise_free" / "workers").glob("*.err")
        return [log.stem for log in logs if "established connection" in log.read_text()]

    with run.driven(CARD) as driver:
        wait_for(lambda: len(at_work()) == 2, "two workers did not come to work")
        victim, other = workers()
        for job in (victim, other):  # else all may be done before one is lost
            scontrol("suspend", job)
        assert len(markers(run)) < 10
        subprocess.run(["scancel", victim], check=True)
        wait_for(lambda: len(workers()) == 3, "no worker took the place of the one that was cancelled")
        scontrol("resume", other)
        run.ended(driver)
    assert run.shards == by_hand
    log = (run.results / "logs" / "dataset_shards" / "noise_free-0.log").read_text()
    assert re.search(r"Dask on SLURM: tls://.*; dashboard at http://.*/status", log)
    assert len(of("dataset_shards", "", run.folder)) == 1


def test_jobs_that_ran_out_or_were_cancelled_are_tried_again(troubled) -> None:
    """With three times the memory and twice the time, as they ask for it; a group as a whole."""
    folder, driver = troubled
    assert driver.wait(timeout=400) == 0, (folder / "driver.log").read_text()
    states = {name: [job["JobState"] for job in of(name, "", folder)] for name in ("eaters", "slow", "cancelled")}
    assert states == {
        "eaters": ["FAILED", "COMPLETED"],
        "slow": ["TIMEOUT", "COMPLETED"],
        "cancelled": ["CANCELLED", "COMPLETED"],
    }
    (killed,) = (folder / "results" / "slurm_logs").glob(f"group_eaters*/{of('eaters', '', folder)[0]['JobId']}.log")
    assert "Exceeded job memory limit" in (folder / "driver.log").read_text() + killed.read_text()
    assert [memory(job) for job in of("eaters", "", folder)] == [400, 1200]
    assert [job["TimeLimit"] for job in of("slow", "", folder)] == ["00:01:00", "00:02:00"]


def test_a_run_goes_to_its_report(reported) -> None:
    table = pd.read_csv(reported.results / "tables" / "cnn.csv")
    assert list(table["model"]) == ["late10", "total_intensity", "majority"]
    assert (reported.results / "report.html").stat().st_size > 50_000
    assert not reported.planned()


def test_jobs_ask_for_what_they_need(reported) -> None:
    """Networks for a GPU in its partition; a job of 16 threads for what the node has; short jobs share one."""
    asked = {re.sub("_wildcards.*", "", job["Comment"]).removeprefix("rule_"): job for job in jobs(reported.folder)}
    gpu = {name for name, job in asked.items() if job.get("TresPerJob") == "gres:gpu:1"}
    assert gpu == {"train", "answers_predict"}
    assert gpu == {name for name, job in asked.items() if job["Partition"] == "gpu"}
    assert asked["dataset_shards"]["NumCPUs"] == "2"
    # Two structures and their volumes, four jobs of Snakemake, are one of SLURM.
    assert "shapes_structure_volume" in asked


def test_twin_networks_too(reported) -> None:
    reported.write(WITH_TWINS)
    done = reported.snakemake()
    assert done.returncode == 0, done.stderr[-20_000:]
    answered = set(pd.read_csv(reported.results / "tables" / "twin.csv")["encoder"])
    assert answered == {"azimuthal", "total_intensity"}
    assert (reported.results / "twin.html").stat().st_size > 20_000
    for group in ("twins_train_twin", "embeddings_embed"):
        (job,) = of(group, "COMPLETED", reported.folder)
        assert (job["Partition"], job["TresPerJob"]) == ("gpu", "gres:gpu:1")
