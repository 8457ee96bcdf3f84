"""What a run took, from benchmarks made by hand; and what another will take."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evaluate.cost import estimate
from evaluate.cost.jobs import jobs
from evaluate.run.benchmarks import COLUMNS, by_rule, elapsed, read_jobs
from evaluate.run.config import load_config
from evaluate.run.files import RunFiles
from report.cost.page import write_cost

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"

CONFIG = {
    "run": "made",
    "title": "Made by hand",
    "simulation": {
        "structures": [
            {"id": "globule", "source": "phantom", "phantom": "globule"},
            {"id": "shell", "source": "phantom", "phantom": "shell"},
        ],
        "plan": {"patterns_per_class": 100, "hit_multiplicities": [1, 2]},
        "datasets": {"clean": {"base": "clean"}, "noisy": {"base": "poster"}},
        "storage": {"patterns_per_shard": 64, "shards_per_job": 5},
    },
    "training": {
        "models": {"late10": {"recipe": {"epochs": 3}}, "other": {"network": "late10", "recipe": {"epochs": 7}}},
        "datasets": ["noisy"],
    },
}
PROVENANCE = {"config_digest": "c0ffee", "versions": {"numpy": "9.8.7"}}


def benchmark(folder: Path, job: str, seconds: float, cpu_time: float | str, **own: float | str) -> None:
    """What Snakemake says of a job, 100 MiB at most, and what the job says itself."""
    path = folder / f"{job}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    memory = "NA" if cpu_time == "NA" else "100.00"
    path.write_text(HEADER + f"{seconds}\t0:00:00\t{memory}\tNA\tNA\tNA\t1.0\t-\t50.0\t{cpu_time}\n")
    if own:
        path.with_suffix(".json").write_text(json.dumps(own))


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    """Two trainings of which one used two GPUs, a volume that Snakemake alone has seen, a plan that it has not."""
    own = {"peak_bytes": 5e7, "written_bytes": 1e9}
    benchmark(tmp_path, "train/noisy/late10-d0.2-seed0", 3600, 100.0, **own, cpu_seconds=7200, gpus=2)
    benchmark(tmp_path, "train/noisy/other-seed0", 1800, 100.0, **own | {"peak_bytes": 3e9}, cpu_seconds=1800, gpus=0)
    benchmark(tmp_path, "volume/shell-q0.39", 36, 72.0)
    benchmark(tmp_path, "plan/ballistic", 0.2, "NA")
    return tmp_path


def test_what_jobs_say_goes_before_what_was_sampled(benchmarks):
    jobs = read_jobs(benchmarks).set_index("job")
    assert list(jobs["rule"]) == ["plan", "train", "train", "volume"]
    late10, other = jobs.loc["train/noisy/late10-d0.2-seed0"], jobs.loc["train/noisy/other-seed0"]
    assert (late10["wall_s"], late10["cpu_s"], late10["gpu_s"]) == (3600, 7200, 7200)
    assert late10["peak_bytes"] == 100 * 2**20  # of all processes together
    assert other["peak_bytes"] == 3e9  # between two samples
    volume, plan = jobs.loc["volume/shell-q0.39"], jobs.loc["plan/ballistic"]
    assert (volume["cpu_s"], volume["gpu_s"], volume["peak_bytes"], volume["sampled"]) == (72, 0, 100 * 2**20, True)
    assert plan[["cpu_s", "peak_bytes", "written_bytes"]].isna().all()


def test_rules_add_up(benchmarks):
    table = by_rule(read_jobs(benchmarks)).set_index("rule")
    assert list(table.index) == ["train", "volume", "plan", "total"]  # the most expensive first
    rules, total = table.drop("total"), table.loc["total"]
    for column in ("jobs", "wall_hours", "cpu_hours", "gpu_hours", "written_gb", "sampled_jobs"):
        assert total[column] == pytest.approx(rules[column].sum())
    assert (total["jobs"], total["sampled_jobs"], total["gpu_hours"]) == (4, 2, 2)
    assert total["cpu_hours"] == pytest.approx((7200 + 1800 + 72) / 3600)
    assert total["written_gb"] == 2
    assert (total["peak_memory_gb"], total["longest_hours"]) == (3, 1)
    assert rules["cpu_share"].sum() == pytest.approx(1)
    assert list(table["gpu_share"]) == [1, 0, 0, 1]


def test_elapsed_time_counts_every_second_once():
    """10 to 30, 20 to 25 and 28 to 40 overlap; 100 to 101 comes after a pause: 31 s, however the jobs are ordered."""
    jobs = pd.DataFrame({"ended": [40.0, 25, 101, 30], "wall_s": [12.0, 5, 1, 20]})
    assert elapsed(jobs) == pytest.approx(31)
    assert elapsed(jobs.iloc[::-1]) == pytest.approx(31)
    seconds = np.zeros(1100, bool)
    for end, length in zip(jobs["ended"], jobs["wall_s"], strict=True):
        seconds[round(10 * (end - length)) : round(10 * end)] = True
    assert seconds.sum() / 10 == pytest.approx(31)


def test_elapsed_time_is_unknown_where_one_job_does_not_say_when_it_ended(benchmarks):
    assert by_rule(read_jobs(benchmarks))["elapsed_hours"].isna().all()
    for job, end in (("train/noisy/late10-d0.2-seed0", 10_000), ("train/noisy/other-seed0", 9_000)):
        own = json.loads((benchmarks / f"{job}.json").read_text())
        (benchmarks / f"{job}.json").write_text(json.dumps(own | {"ended": end}))
    table = by_rule(read_jobs(benchmarks)).set_index("rule")
    assert table.loc["train", "elapsed_hours"] == pytest.approx(1)  # from 6,400 to 10,000 s, the other one within it
    assert np.isnan(table.loc["total", "elapsed_hours"])


def test_bars_are_as_long_as_their_share_of_the_longest(tmp_path):
    config = load_config(CONFIG | {"results_dir": str(tmp_path)})
    files = RunFiles(config.folder)
    for job, seconds, end in (("train/noisy/late10-seed0", 80, 100.0), ("volume/shell-q0.39", 20, 120.0)):
        own = {"cpu_seconds": seconds, "peak_bytes": 2e9, "written_bytes": 4e6, "ended": end, "host": "A chip, 2 cores"}
        benchmark(files.benchmarks, job, seconds, 1.0, **own)
    write_cost(files, config, PROVENANCE | {"date": "2026-01-01 00:00 UTC", "commit": "beef"})
    page = files.cost_page.read_text()
    volume = page[page.index('<th scope="row">volume</th>') :]
    assert re.findall(r"--share: ([\d.]+)%", volume[: volume.index("</tr>")]) == ["25.0", "25.0"]
    for fact in ("elapsed", "<b>2\u202fmin</b>elapsed", "A chip, 2 cores", "2026-01-01 00:00 UTC", "beef"):
        assert fact in page, fact
    assert pd.read_csv(files.cost).set_index("rule").loc["total", "elapsed_hours"] == pytest.approx(100 / 3600)


def test_without_a_gpu_there_are_no_shares_of_one(tmp_path):
    benchmark(tmp_path, "tables", 2, 1.5)
    assert by_rule(read_jobs(tmp_path))["gpu_share"].isna().all()


def test_table_and_page_are_written(tmp_path):
    config = load_config(CONFIG | {"results_dir": str(tmp_path)})
    files = RunFiles(config.folder)
    with pytest.raises(FileNotFoundError, match="holds no benchmark"):
        write_cost(files, config, PROVENANCE)
    benchmark(
        files.benchmarks, "train/noisy/late10-seed0", 100, 90.0, cpu_seconds=95, peak_bytes=2e9, written_bytes=4e6
    )
    benchmark(files.benchmarks, "volume/shell-q0.39", 36, 72.0)
    benchmark(files.benchmarks, "cost", 1, 1.0)
    files.twin_report.touch()
    write_cost(files, config, PROVENANCE)
    table = pd.read_csv(files.cost)
    assert (
        list(table.columns) == list(COLUMNS) == list(json.loads(files.cost.with_suffix(".json").read_text())["columns"])
    )
    assert list(table["rule"]) == ["train", "volume", "total"]
    page = files.cost_page.read_text()
    assert "One job is known by Snakemake’s samples alone" in page
    assert 'href="twin.html"' in page
    assert 'href="report.html"' not in page


def test_a_line_is_found_through_jobs_of_different_work():
    work_done = np.array([1.0, 2.0, 10.0])
    assert estimate.fitted(work_done, 3 + 0.5 * work_done, start=1) == pytest.approx((3, 0.5))
    # A cost that does not grow is all start; one that would begin below zero begins at zero.
    assert estimate.fitted(work_done, np.array([2.0, 2.0, 2.0]), start=1) == pytest.approx((2, 0))
    a, b = estimate.fitted(work_done, np.array([0.9, 1.9, 9.9]), start=1)
    assert a == 0
    assert b == pytest.approx(1, rel=0.1)


def test_jobs_of_about_equal_work_begin_as_the_cheapest_of_all():
    """Two of nearly the same, of which the smaller took longer by chance, would say that work costs nothing."""
    start, slope = estimate.fitted(np.array([8.0, 7.0]), np.array([5.0, 5.5]), start=1)
    assert (start, slope) == (1, pytest.approx(4.25 / 7.5))
    assert estimate.fitted(np.full(3, 8.0), np.array([4.0, 5.0, 6.0]), start=1) == (1, 0.5)
    assert estimate.fitted(np.full(1, 8.0), np.array([0.5]), start=1) == (0.5, 0)
    assert estimate.fitted(np.full(2, 8.0), np.zeros(2), start=0) == (0, 0)


def test_work_is_counted_in_patterns(tmp_path):
    config = load_config(CONFIG)
    found = {job.name: job for job in jobs(CONFIG)}
    trained = 2 * 2 * config.simulation.plan.split_sizes["train"]
    assert found["train/noisy/late10-seed0"].work == 3 * trained
    assert found["train/noisy/other-seed0"].work == 7 * trained
    assert found["train/noisy/late10-seed0"].writing == 3
    assert found["train/noisy/late10-seed0"].kind == found["train/noisy/other-seed0"].kind
    shards = [job for job in found.values() if job.name.startswith("dataset_shards/noisy")]
    assert len(shards) == 2  # 400 patterns in seven shards, five a job
    assert sum(job.work for job in shards) == pytest.approx(128**2 * (200 * (3 + 1) + 200 * (3 + 3)))
    assert found["plan/ballistic"].work == 2 * 100 * (1 + 2)
    assert sum(job.rule == "volume" for job in found.values()) == 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose jobs, but for one, took 2 s and 1 s for a thousand units of work, and wrote 7 bytes a unit."""
    config = load_config(CONFIG | {"results_dir": str(tmp_path_factory.mktemp("finished"))})
    files = RunFiles(config.folder)
    for job in jobs(CONFIG):
        if job.rule != "figures":
            own = {"cpu_seconds": 2 + job.work / 1000, "peak_bytes": 1e8, "written_bytes": 7 * job.writing, "gpus": 0}
            benchmark(files.benchmarks, job.name, 1, 1.0, **own)
    write_cost(files, config, PROVENANCE | {"config": config.model_dump(mode="json")})
    return config.folder


def test_a_run_is_told_from_another(finished):
    """Exactly, where the law holds: shards and trainings were measured with different work, all else is to be alike."""
    larger = CONFIG | {
        "simulation": CONFIG["simulation"] | {"plan": {"patterns_per_class": 900, "hit_multiplicities": [1, 2]}}
    }
    planned = jobs(larger)
    table = estimate.estimate(larger, estimate.measured(finished)).set_index("rule")
    for rule in ("train", "dataset_shards"):
        alike = [job for job in planned if job.rule == rule]
        assert table.loc[[rule], "cpu_s"].sum() == pytest.approx(sum(2 + job.work / 1000 for job in alike))
        assert table.loc[[rule], "written_bytes"].sum() == pytest.approx(7 * sum(job.writing for job in alike))
    assert (table["gpu_s"].dropna() == 0).all()


def test_what_was_never_measured_is_said_and_not_counted(finished, tmp_path, capsys):
    other = CONFIG | {"training": {"models": ["late10", "polar"], "datasets": ["noisy"]}}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    assert estimate.main([str(tmp_path / "other.yaml"), "--from", str(finished)]) == 0
    counted, _, missing = capsys.readouterr().out.partition("Not counted, because no such job was measured: 3 jobs.")
    assert [line.split()[0] for line in missing.strip().splitlines()] == ["figures", "predict", "train"]
    assert str(finished) in counted
    assert "late10" in counted
    table = estimate.estimate(other, estimate.measured(finished))
    assert f"About {table['cpu_s'].sum() / 3600:.3g} CPU-hours" in counted


def test_without_a_finished_run_there_is_nothing_to_tell_from(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    assert estimate.main([str(tmp_path / "config.yaml"), "--from", str(tmp_path / "nowhere")]) == 2
    assert "finish that run first" in capsys.readouterr().err
