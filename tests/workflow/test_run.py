"""The whole pipeline on two phantoms, for real: outputs, nothing done twice, damage and interruption."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from distributed.system import MEMORY_LIMIT

from evaluate.cost.jobs import jobs as planned_jobs
from evaluate.run.benchmarks import read_jobs
from frames.files import sha256
from frames.store import dataset, integrity, writer
from frames.store.layout import Layout
from support.programs.running import ONE_THREAD, ROOT


@pytest.fixture
def copied(finished, tmp_path: Path):
    """The finished run, to be damaged; times of files are kept, as snakemake looks at them."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    return replace(finished, folder=tmp_path)


BEGUN = ("structures", "volumes", "benchmarks/structure", "benchmarks/volume")
SIMULATED = (
    *(*BEGUN, "plans", "datasets"),
    *(f"benchmarks/{rule}" for rule in ("plan", "geometry", "dataset_layout", "dataset_shards", "dataset")),
)


def part(finished, folder: Path, kept: tuple[str, ...]):
    """What other runs find of the finished one, and nothing else of it."""
    for found in (finished.folder / ".snakemake", *(finished.results / name for name in kept)):
        shutil.copytree(found, folder / found.relative_to(finished.folder), copy_function=shutil.copy2)
    return replace(finished, folder=folder)


@pytest.fixture
def begun(finished, tmp_path: Path):
    """The finished run's structures and volumes."""
    return part(finished, tmp_path, BEGUN)


@pytest.fixture
def simulated(finished, tmp_path: Path):
    """The same, with its datasets: all that it has without training and evaluation."""
    return part(finished, tmp_path, SIMULATED)


def sums(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): sha256(file)
        for file in sorted(folder.rglob("patterns.zarr/**/c/**/*"))
        if file.is_file()
    }


def test_outputs_are_all_there(finished) -> None:
    results = finished.results
    table = pd.read_csv(results / "tables" / "cnn.csv")
    assert list(table["model"]) == ["late10", "total_intensity", "majority"]
    assert (table["n_train"] == 112).all()
    assert (table["n_test"] == 32).all()
    assert (table["majority_accuracy"] == 0.25).all()
    (asked,) = (results / "predictions" / "noise_free" / "noisy").glob("late10-seed0.parquet")
    assert set(pd.read_parquet(asked)["split"]) == {"test"}
    own = pd.read_parquet(results / "predictions" / "noise_free" / "noise_free" / "late10-seed0.parquet")
    assert own["split"].value_counts().to_dict() == {"test": 32, "validation": 16}
    elsewhere = pd.read_csv(results / "tables" / "generalisation.csv")
    assert list(elsewhere["model"]) == ["late10", "total_intensity"]
    assert (elsewhere["dataset"] == "noisy").all()
    assert list(elsewhere["in_distribution_accuracy"]) == list(table["test_accuracy"])[:2]
    for name in ("calibration", "selection"):
        assert list(dict.fromkeys(pd.read_csv(results / "tables" / f"{name}.csv")["model"])) == list(elsewhere["model"])
    assert (pd.read_csv(results / "tables" / "limit.csv")["dataset"] == "noisy").all()
    provenance = json.loads((results / "tables" / "cnn.json").read_text())
    assert {"globule", "wishbone"} <= set(json.dumps(provenance).split('"'))
    for name in ("source", "config", "versions", "device", "wall"):
        assert any(name in key for key in provenance), name
    assert (results / "report.html").stat().st_size > 50_000
    assert len(list((results / "figures").iterdir())) >= 5
    for name in ("noise_free", "noisy"):
        assert integrity.verify(results / "datasets" / name) == []
    assert list((results / "logs").rglob("*.log"))


def test_figures_are_drawn_again_from_the_tables_alone(copied) -> None:
    """The bytes of the rule's, where patterns, predictions and networks are gone; one that there is not is told."""
    figures = {path.name: path.read_bytes() for path in (copied.results / "figures").iterdir()}
    for folder in copied.results.iterdir():
        if folder.is_dir() and folder.name != "tables":
            shutil.rmtree(folder)
    draw = [sys.executable, "-m", "singlehit", "draw", str(copied.results)]
    listed = subprocess.run([*draw, "--list"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert sorted(listed.stdout.split()) == sorted(figures)
    (copied.results / "figures").mkdir()
    subprocess.run([*draw, *figures], capture_output=True, cwd=ROOT, check=True)
    assert [name for name in figures if (copied.results / "figures" / name).read_bytes() != figures[name]] == []
    wrong = subprocess.run([*draw, "acuracies.svg"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert wrong.returncode == 2
    assert "did you mean 'accuracies.svg'" in wrong.stderr


def test_an_ensemble_answers_with_the_mean_of_its_members(copied) -> None:
    """Of two seeds, the second trained now."""
    copied.configure(training__seeds=[0, 1], evaluation__ensembles={"both": ["late10"]})
    assert copied.planned() == {"train": 1, "predict": 4, "tables": 1, "figures": 1, "report": 1, "cost": 1, "all": 1}
    folder = copied.results / "predictions" / "noise_free" / "noisy"
    done = copied.snakemake(str((folder / "both-seed0.parquet").relative_to(copied.folder)))
    assert done.returncode == 0, done.stderr
    names = ("late10-seed0", "late10-seed1", "both-seed0")
    first, second, both = (pd.read_parquet(folder / f"{name}.parquet").filter(regex="^p_") for name in names)
    pd.testing.assert_frame_equal(both, (first + second) / 2)


def test_a_finished_run_has_nothing_to_do(finished) -> None:
    assert not finished.planned()


def test_ready_jobs_are_looked_for_when_one_has_ended_not_every_second(finished) -> None:
    """Snakemake's own way looked some 300 times here."""
    log = (finished.folder / "snakemake.log").read_text()
    assert 10 < log.count("Ready jobs:") <= log.count("Finished jobid:")


def test_jobs_side_by_side_share_the_memory_of_the_machine(finished) -> None:
    log = (finished.folder / "snakemake.log").read_text()
    [provided] = (line for line in log.splitlines() if line.startswith("Provided resources: mem_mb="))
    assert str(int(MEMORY_LIMIT / 1e6)) in provided


def test_jobs_of_a_cluster_do_not_share_the_memory_of_the_machine_that_sends_them(workflow) -> None:
    """`--jobs` is what tells that they are sent; the executor, which only a cluster has, does not matter here."""
    done = workflow.snakemake("--jobs", "1", "results/tiny/structures/globule.npz")
    assert done.returncode == 0, done.stderr
    assert "Provided cores" in done.stderr
    assert "Provided resources" not in done.stderr


def test_what_it_took_is_told_of_every_job(finished) -> None:
    """By each of the jobs that an estimate counts, exactly: processes that rendered shards are in it."""
    config = yaml.safe_load((finished.folder / "config.yaml").read_text())
    jobs = read_jobs(finished.results / "benchmarks").set_index("job")
    assert set(jobs.index) == {job.name for job in planned_jobs(config)} | {"cost"}
    assert not jobs["sampled"].any()
    assert jobs[["cpu_s", "peak_bytes", "written_bytes"]].gt(0).all(axis=None)
    folder = finished.results / "datasets" / "noisy" / "patterns.zarr" / "photons"
    stored = sum(file.stat().st_size for file in folder.rglob("c/**/*") if file.is_file())
    written = jobs["written_bytes"].filter(like="dataset_shards/noisy").sum()
    assert written > stored, "what Dask's workers wrote is missing"
    table = pd.read_csv(finished.results / "cost.csv").set_index("rule")
    whole = jobs.drop("cost")
    assert table["jobs"]["total"] == len(whole)
    assert table["cpu_hours"]["total"] == pytest.approx(whole["cpu_s"].sum() / 3600, abs=1e-6)
    assert "dataset_shards" in (finished.results / "cost.html").read_text()
    assert 'href="cost.html"' in (finished.results / "report.html").read_text()


def test_snakemakes_own_report_is_made_offline(finished) -> None:
    page = finished.folder / "snakemake-report.html"
    done = finished.snakemake("--report", str(page))
    assert done.returncode == 0, done.stderr
    content = page.read_text(encoding="utf-8")
    assert "cnn.csv" in content
    assert "report.html" in content


@pytest.fixture
def entries(finished):
    """The datasets of the finished run, whose config is put back afterwards."""
    yield finished.configure()["simulation"]["datasets"]
    finished.configure()


def test_a_new_fluence_makes_only_its_own_dataset(finished, entries) -> None:
    """10 shards, 5 a job. No structure, volume or plan, no other dataset and no training."""
    finished.configure(simulation__datasets={**entries, "dim": {"base": "noisy", "photons_per_pulse": 1e11}})
    its_own = {"geometry": 1, "dataset_layout": 1, "dataset_shards": 2, "dataset": 1}
    assert finished.planned(finished.results / "datasets" / "dim" / "dataset.json") == its_own
    assert finished.planned() == {**its_own, "shown": 1, "figures": 1, "report": 1, "cost": 1, "all": 1}


def test_a_changed_fluence_makes_that_dataset_again(finished, entries) -> None:
    """The detector is what it was; its limit, and what other networks answer about it, are found again."""
    finished.configure(simulation__datasets={**entries, "noisy": {"base": "poster", "photons_per_pulse": 1e11}})
    its_own = {"dataset_layout": 1, "dataset_shards": 2, "dataset": 1}
    assert finished.planned(finished.results / "datasets" / "noisy" / "dataset.json") == its_own
    judged_again = {"limit_of_dataset": 1, "limit": 1, "predict": 2, "tables": 1, "shown": 1, "figures": 1, "report": 1}
    assert finished.planned() == {**its_own, **judged_again, "cost": 1, "all": 1}


def test_another_placement_has_a_plan_of_its_own(finished, entries) -> None:
    sticky = {"base": "noisy", "placement": "surface_contact"}
    finished.configure(simulation__datasets={**entries, "sticky": sticky})
    jobs = finished.planned(finished.results / "datasets" / "sticky" / "dataset.json")
    assert jobs == {"plan": 1, "geometry": 1, "dataset_layout": 1, "dataset_shards": 2, "dataset": 1}


def test_a_detector_that_reaches_farther_has_volumes_of_its_own(finished, entries) -> None:
    near = {"base": "noisy", "detector": {"distance_mm": 250}}
    finished.configure(simulation__datasets={**entries, "near": near})
    jobs = finished.planned(finished.results / "datasets" / "near" / "dataset.json")
    assert jobs == {"volume": 2, "geometry": 1, "dataset_layout": 1, "dataset_shards": 2, "dataset": 1}


def test_another_readout_does_not_render_again(copied) -> None:
    """The photons stay as they are on disk, and the card says how they are read now."""
    folder = copied.results / "datasets" / "noisy"
    layout = Layout.load(folder)
    before = {shard: writer.shard_file(folder, layout, shard).stat().st_mtime_ns for shard in range(10)}
    copied.configure(simulation__datasets__noisy={"base": "poster", "readout": {"read_noise_photons": 2.0}})
    done = copied.snakemake(str((folder / "dataset.json").relative_to(copied.folder)))
    assert done.returncode == 0, done.stderr
    assert {shard: writer.shard_file(folder, layout, shard).stat().st_mtime_ns for shard in range(10)} == before
    opened = dataset.open_dataset(folder)
    assert opened.card["config"]["readout"]["read_noise_photons"] == opened.readout.read_noise_photons == 2.0
    assert integrity.verify(folder) == []
    log = (copied.results / "logs" / "dataset_shards" / "noisy-0.log").read_text()
    assert "noisy: kept 5 of 5 shards, rendered 0" in log
    assert "rendered," not in log


def test_shots_that_hit_nothing_go_all_the_way(begun) -> None:
    """Multiplicity 0: one class, in training, predictions, baseline, tables, figures and on the page."""
    foggy = {"base": "poster", "background": {"flat_photons": 0.05, "radial_photons": 0.5}}
    begun.configure(
        simulation__plan__hit_multiplicities=[0, 1, 2],
        simulation__datasets={"noisy": foggy},
        simulation__storage__shards_per_job=40,
        training__datasets=["noisy"],
        evaluation={},
    )
    done = begun.snakemake(*ONE_THREAD)
    assert done.returncode == 0, done.stderr
    results = begun.results
    opened = dataset.open_dataset(results / "datasets" / "noisy")
    assert len(opened) == (2 * 2 + 1) * 40
    blank = opened.structure == -1
    assert blank.sum() == 40
    assert (opened.hit_multiplicity[blank] == 0).all()
    assert opened.read_raw(slice(0, len(opened)))[blank].any()  # background
    table = pd.read_csv(results / "tables" / "cnn.csv")
    assert (table["n_test"] == 5 * 8).all()
    assert (table["majority_accuracy"] == 0.2).all()
    assert table[["test_accuracy", "structure_accuracy"]].notna().all(axis=None)
    classes = pd.read_csv(results / "tables" / "per_class.csv", keep_default_na=False)
    none = classes[classes["structure"] == "none"]
    assert (none["hit_multiplicity"] == 0).all()
    assert len(none) == 2  # the network and the baseline
    assert (none["structure_recall"] == "").all()
    assert (none["recall"] == none["hit_multiplicity_recall"]).all()
    history = pd.read_csv(results / "models" / "noisy" / "late10" / "seed0" / "history.csv")
    assert history.notna().all(axis=None)
    assert "background alone" in (results / "report.html").read_text()


def test_a_run_that_trains_nothing_simulates_and_reports(simulated) -> None:
    """What skopi's users want: the datasets that there are with networks, to the job, and a page of these."""
    config = simulated.configure()
    del config["training"], config["evaluation"]
    simulated.write(config)
    told = {"shown": 1, "figures": 1, "report": 1, "cost": 1, "all": 1}
    assert simulated.planned() == told
    done = simulated.snakemake(*ONE_THREAD)
    assert done.returncode == 0, done.stderr
    results = simulated.results
    for name in ("noise_free", "noisy"):
        assert integrity.verify(results / "datasets" / name) == []
    assert len(dataset.open_dataset(results / "datasets" / "noisy")) == 160
    assert {path.stem for path in (results / "tables").glob("*.csv")} == {"classes", "photons", "radial"}
    page = (results / "report.html").read_text()
    for title in ("The patterns", "What was simulated", "How to read this", "Datasets", "Provenance"):
        assert f"<h2>{title}</h2>" in page
    for word in ("learned", "network", "Majority", "accuracy"):
        assert word not in page.partition("<main>")[2].partition('<section id="provenance">')[0], word
    assert page.count("data:image/") == 6  # classes, radial profiles; a gallery and photons of each dataset
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page
    assert (results / "cost.html").exists()
    assert set(read_jobs(results / "benchmarks")["job"]) == {job.name for job in planned_jobs(config)} | {"cost"}
    assert not simulated.planned()


def test_a_corrupt_shard_is_named_and_made_again_alone(copied) -> None:
    folder = copied.results / "datasets" / "noise_free"
    before = sums(folder)
    layout = Layout.load(folder)
    broken = writer.shard_file(folder, layout, 7)
    times = {shard: writer.shard_file(folder, layout, shard).stat().st_mtime_ns for shard in range(10)}
    broken.write_bytes(broken.read_bytes()[:100])
    (problem,) = integrity.verify(folder)
    assert problem.startswith("shard 7 (patterns 112-127")
    assert integrity.repair(folder) == [problem]
    assert copied.planned()["dataset_shards"] == 1
    done = copied.snakemake(str((folder / "dataset.json").relative_to(copied.folder)))
    assert done.returncode == 0, done.stderr
    assert sums(folder) == before
    changed = [s for s in range(10) if writer.shard_file(folder, layout, s).stat().st_mtime_ns != times[s]]
    assert changed == [7]
    assert not copied.planned()  # the bytes are what they were: networks and report stand


def test_a_run_that_is_killed_goes_on_where_it_was(begun, finished) -> None:
    """kill -9 of snakemake and all its jobs while shards are being written; the bytes end up the same."""
    begun.configure(evaluation={})
    process = begun.start()
    markers = begun.results / "datasets" / "noise_free" / "shards"
    deadline = time.monotonic() + 300
    while len(list(markers.glob("[0-9]*.json"))) < 1:
        assert process.poll() is None, (begun.folder / "background.log").read_text()
        assert time.monotonic() < deadline, "no shard was written in time"
        time.sleep(0.02)
    begun.kill(process)
    survivors = {file: file.stat().st_mtime_ns for file in markers.glob("[0-9]*.json")}
    assert not (markers.parent / "dataset.json").exists()
    with pytest.raises(integrity.DamagedDatasetError):
        dataset.open_dataset(markers.parent)

    assert begun.snakemake("--unlock").returncode == 0
    results = begun.results.relative_to(begun.folder)
    wanted = [results / "tables" / "cnn.csv", results / "datasets" / "noisy" / "dataset.json"]
    done = begun.snakemake(*map(str, wanted), "--rerun-incomplete", *ONE_THREAD)
    assert done.returncode == 0, done.stderr
    assert {file: file.stat().st_mtime_ns for file in survivors} == survivors
    assert sums(begun.results / "datasets") == sums(finished.results / "datasets")
    tables = [pd.read_csv(run.results / "tables" / "cnn.csv") for run in (begun, finished)]
    pd.testing.assert_frame_equal(*tables)


def test_an_interrupt_is_quiet_and_says_how_to_go_on(workflow) -> None:
    """Ctrl-C goes to snakemake, to its jobs and to their workers, all at once."""
    workflow.configure(
        simulation__structures=[{"id": "globule", "source": "phantom", "phantom": "globule"}],
        simulation__plan={"patterns_per_class": 4000, "hit_multiplicities": [1, 4]},
        simulation__storage={"patterns_per_shard": 128},
        evaluation={},
    )
    wanted = "results/tiny/datasets/noisy/dataset.json"
    process = workflow.start(wanted)
    markers = workflow.results / "datasets" / "noisy" / "shards"
    deadline = time.monotonic() + 300
    while not list(markers.glob("[0-9]*.json")):
        assert process.poll() is None, (workflow.folder / "background.log").read_text()
        assert time.monotonic() < deadline, "no shard was written in time"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) != 0
    said = (workflow.folder / "background.log").read_text()
    assert "What is done stands: the same command goes on from there." in said
    for noise in ("Traceback", "KeyboardInterrupt", "CalledProcessError", "failed:", "CRITICAL"):
        assert noise not in said
    assert not (workflow.folder / wanted).exists()
    assert workflow.planned(workflow.folder / wanted) == {"dataset_shards": 1, "dataset": 1}
