"""Real runs that are killed, interrupted, damaged, doubled and starved: nothing is lost, nothing is wrong."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from frames.files import read_json, sha256
from frames.store import integrity
from frames.store import writer as store
from frames.store.layout import Layout
from support.programs.running import ROOT, Workflow

pytestmark = pytest.mark.faults

N_SHARDS = 40
CONFIG: dict[str, Any] = {
    "simulation__plan__patterns_per_class": 160,
    "simulation__storage": {"patterns_per_shard": 16, "shards_per_job": 1000},
    "simulation__datasets": {"noise_free": {"base": "clean"}},
    "evaluation": {},
}
DIMMER = {"noise_free": {"base": "clean", "photons_per_pulse": 1e11}}


class Faulty(Workflow):
    """A run of one dataset, in one job of many shards."""

    @property
    def dataset(self) -> Path:
        return self.results / "datasets" / "noise_free"

    @property
    def card(self) -> str:
        """What is asked of snakemake."""
        return str((self.dataset / "dataset.json").relative_to(self.folder))

    @property
    def log(self) -> Path:
        """Of the job that renders."""
        return self.results / "logs" / "dataset_shards" / "noise_free-0.log"

    def shard(self, number: int) -> Path:
        return store.shard_file(self.dataset, Layout.load(self.dataset), number)

    def finished_shards(self) -> list[int]:
        return sorted(int(file.stem) for file in (self.dataset / "shards").glob("[0-9]*.json"))

    def made_from(self) -> set[str]:
        """What finished shards were made from: one digest unless they are of several runs."""
        markers = [store.shard_marker(self.dataset, number) for number in self.finished_shards()]
        return {read_json(marker)["made_from"] for marker in markers}

    def sums(self) -> list[str]:
        return [sha256(self.shard(number)) for number in range(N_SHARDS)]

    def times(self) -> list[int]:
        return [self.shard(number).stat().st_mtime_ns for number in range(N_SHARDS)]

    def start_rendering(self) -> subprocess.Popen:
        """Start, and return in the middle of the shards."""
        process = self.start(self.card)
        self.wait_for(lambda: len(self.finished_shards()) >= 2, process)
        assert len(self.finished_shards()) < N_SHARDS, "all was over before anything could be done to it"
        return process

    def wait_for(
        self, condition: Callable[[], bool], process: subprocess.Popen | None = None, within_s: int = 300
    ) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert process is None or process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.01)

    def said(self) -> str:
        return (self.folder / "background.log").read_text()

    def finish(self) -> None:
        done = self.snakemake(self.card, "--rerun-incomplete")
        assert done.returncode == 0, done.stderr

    def debris(self) -> list[Path]:
        """Temporary files that a writer left."""
        return [file for file in self.results.rglob(".*") if file.is_file() and file.suffix != ".lock"]


def job_among(processes: list[psutil.Process]) -> psutil.Process:
    """The one that runs the script which renders."""
    found = [p for p in processes if any(re.search(r"dataset_shards\.py$", word) for word in p.cmdline()[1:2])]
    assert len(found) == 1, [p.cmdline() for p in processes]
    return found[0]


def workers_of(job: psutil.Process) -> list[psutil.Process]:
    return [p for p in job.children(recursive=True) if any("spawn_main" in word for word in p.cmdline())]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Faulty:
    """The dataset, made without a fault; tests leave it as they find it."""
    made = Faulty(tmp_path_factory.mktemp("whole"))
    made.configure(**CONFIG)
    made.finish()
    assert integrity.verify(made.dataset) == []
    return made


@pytest.fixture
def prepared(whole: Faulty, tmp_path: Path) -> Iterator[Faulty]:
    """All that comes before the shards; whatever still runs afterwards is ended."""
    shutil.copytree(whole.folder, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    made = Faulty(tmp_path)
    for folder in ("shards", "jobs", "patterns.zarr/expected_photons/c"):
        shutil.rmtree(made.dataset / folder)
    (made.dataset / "dataset.json").unlink()
    before = set(psutil.Process().children(recursive=True))
    yield made
    for process in set(psutil.Process().children(recursive=True)) - before:
        process.kill()


@pytest.fixture
def copied(whole: Faulty, tmp_path: Path) -> Faulty:
    """The finished run, to be damaged; times of files are kept, as snakemake looks at them."""
    shutil.copytree(whole.folder, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    return Faulty(tmp_path)


# Killed


def test_a_worker_that_is_killed_is_replaced_and_its_shard_made_again(prepared: Faulty, whole: Faulty) -> None:
    """kill -9 of a Dask worker in mid-shard: the job itself goes on to the end."""
    process = prepared.start_rendering()
    job = job_among(psutil.Process(process.pid).children(recursive=True))
    victim = workers_of(job)[0]
    victim.kill()
    assert process.wait(300) == 0, prepared.said()
    assert prepared.sums() == whole.sums()
    assert integrity.verify(prepared.dataset) == []


def test_a_job_that_is_killed_fails_and_is_made_again_from_where_it_was(prepared: Faulty, whole: Faulty) -> None:
    """kill -9 of a rule's job: its workers end with it, snakemake says so, and finished shards are kept."""
    process = prepared.start_rendering()
    job = job_among(psutil.Process(process.pid).children(recursive=True))
    workers = workers_of(job)
    job.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    assert process.wait(300) == 1
    assert "failed: dataset" in prepared.said()
    assert not (prepared.dataset / "dataset.json").exists()
    kept = {number: prepared.shard(number).stat().st_mtime_ns for number in prepared.finished_shards()}
    prepared.finish()
    assert {number: prepared.shard(number).stat().st_mtime_ns for number in kept} == kept
    assert prepared.sums() == whole.sums()


@pytest.mark.parametrize("changed", [False, True], ids=["the same config", "another fluence"])
def test_a_job_that_outlives_its_driver_does_no_harm(prepared: Faulty, whole: Faulty, changed: bool) -> None:
    """kill -9 of snakemake alone. The next one's job waits until the old one has ended, and has the last word."""
    process = prepared.start_rendering()
    orphans = psutil.Process(process.pid).children(recursive=True)
    job_among(orphans)
    process.kill()
    process.wait()
    for orphan in orphans:
        orphan.suspend()  # so that it is still there, in the middle of a shard, when the next one comes
    old = {
        read_json(store.shard_marker(prepared.dataset, number))["made_from"] for number in prepared.finished_shards()
    }
    if changed:
        prepared.configure(**{**CONFIG, "simulation__datasets": DIMMER})
    assert prepared.snakemake("--unlock").returncode == 0
    again = prepared.start(prepared.card, "--rerun-incomplete")
    prepared.wait_for(lambda: prepared.log.exists() and "is at work on this already" in prepared.log.read_text(), again)
    for orphan in orphans:
        orphan.resume()
    assert again.wait(300) == 0, prepared.said()
    psutil.wait_procs(orphans, timeout=60)
    assert integrity.verify(prepared.dataset) == []
    assert len(prepared.made_from()) == 1
    assert (prepared.made_from() == old) is not changed
    assert (prepared.sums() == whole.sums()) is not changed


@pytest.mark.parametrize("to_all", [True, False], ids=["in the terminal", "to snakemake alone"])
def test_an_interrupted_run_ends_cleanly_and_goes_on(prepared: Faulty, whole: Faulty, to_all: bool) -> None:
    """SIGINT: no process and no temporary file is left, and no lock to be lifted."""
    process = prepared.start_rendering()
    children = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    assert process.wait(300) != 0
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert not (prepared.dataset / "dataset.json").exists()
    prepared.finish()
    assert prepared.sums() == whole.sums()
    assert prepared.debris() == []


def test_a_second_driver_is_turned_away(prepared: Faulty, whole: Faulty) -> None:
    process = prepared.start_rendering()
    processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in processes:
        one.suspend()  # so that it is still at work, however long the second takes to start
    second = prepared.snakemake(prepared.card)
    for one in processes:
        one.resume()
    assert second.returncode != 0
    assert "cannot be locked" in second.stderr
    assert process.wait(300) == 0, prepared.said()
    assert prepared.sums() == whole.sums()


# Damaged


def verify(folder: Path) -> tuple[int, str]:
    """What `singlehit verify` says."""
    command = [sys.executable, "-m", "singlehit", "verify", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damage_is_named_and_made_again_alone(copied: Faulty, whole: Faulty) -> None:
    """Five kinds of it at once: labels, and four of forty shards, are made again; the others are not touched."""
    times = copied.times()
    copied.shard(3).write_bytes(copied.shard(3).read_bytes()[:-100])
    copied.shard(7).unlink()
    flip_a_bit(copied.shard(20))
    store.shard_marker(copied.dataset, 31).unlink()
    (copied.dataset / "patterns.zarr/structure/c/0").unlink()
    status, said = verify(copied.dataset)
    assert status == 1
    for problem in (
        r"shard 3 \(patterns 48-63, .*is damaged: \d+ bytes, expected \d+",
        r"shard 7 \(patterns 112-127, .*it was finished, but its file is not there",
        r"shard 20 \(patterns 320-335, .*its sha256 is not the one recorded",
        r"shard 31 \(patterns 496-511, .*it was never finished",
        r"structure/c/0 \(labels or metadata\) is missing",
    ):
        assert len(re.findall(problem, said)) == 1, (problem, said)
    assert len(integrity.repair(copied.dataset)) == 5
    copied.finish()
    assert verify(copied.dataset)[0] == 0
    assert copied.sums() == whole.sums()
    after = copied.times()
    assert [number for number in range(N_SHARDS) if after[number] != times[number]] == [3, 7, 20, 31]


# Clocks


def set_time(path: Path, seconds_from_now: float) -> None:
    os.utime(path, times=(time.time() + seconds_from_now,) * 2)


YEAR = 365 * 86400.0


def test_inputs_from_the_future_are_what_they_were(copied: Faulty, whole: Faulty) -> None:
    """As after the clock was set back: snakemake compares the bytes of small files, and nothing is done."""
    inputs = [*(copied.results / "plans").glob("*.parquet"), *(copied.results / "volumes").rglob("*.npz")]
    assert len(inputs) == 3
    for file in inputs:
        set_time(file, YEAR)
    assert not copied.planned(copied.dataset / "dataset.json")
    assert copied.sums() == whole.sums()


def test_an_output_from_the_past_is_made_again(copied: Faulty, whole: Faulty) -> None:
    card = copied.dataset / "dataset.json"
    set_time(card, -30 * YEAR)
    assert copied.planned(card) == {"dataset": 1}
    copied.finish()
    assert copied.sums() == whole.sums()
    assert not copied.planned(card)


def test_a_file_of_the_user_that_is_exchanged_for_an_older_one_is_noticed(copied: Faulty) -> None:
    """Times alone would not tell: the older file is not newer than what was made from the other one."""
    mask = copied.folder / "mask.npy"
    np.save(mask, np.zeros((128, 128), bool))
    masked = {"noise_free": {"base": "clean", "detector": {"mask_file": str(mask)}}}
    copied.configure(**{**CONFIG, "simulation__datasets": masked})
    geometry = copied.dataset / "geometry.npz"
    done = copied.snakemake(str(geometry.relative_to(copied.folder)))
    assert done.returncode == 0, done.stderr
    assert not copied.planned(geometry)
    np.save(mask, np.eye(128, dtype=bool))
    set_time(mask, -YEAR)
    assert copied.planned(geometry) == {"geometry": 1}


# Starved


def test_a_folder_that_cannot_be_written_to_is_named_and_nothing_changes(copied: Faulty) -> None:
    """Root may write anywhere but to what is mounted read-only."""
    copied.configure(**{**CONFIG, "simulation__datasets": DIMMER})
    mounted = str(copied.results)
    if subprocess.run(["mount", "--bind", mounted, mounted], check=False, capture_output=True).returncode:
        pytest.skip("cannot mount a folder read-only: that takes root, with the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", mounted], check=True)
        done = copied.snakemake(copied.card)
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert done.returncode != 0
    assert "Write-protected output files" in done.stderr
    assert "results/tiny/datasets/noise_free/" in done.stderr
    assert integrity.verify(copied.dataset) == []


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU here")
def test_a_gpu_that_is_not_there_stops_the_training_before_it_starts(copied: Faulty) -> None:
    """Hours on a CPU in its place would look like the run that was asked for."""
    copied.configure(**CONFIG, training__device="cuda")
    model = copied.results / "models" / "noise_free" / "late10" / "seed0" / "model.pt"
    done = copied.snakemake(str(model.relative_to(copied.folder)))
    assert done.returncode != 0
    assert "device cuda was asked for" in done.stderr
    assert "set training.device to auto or cpu" in done.stderr
    assert not model.exists()
    assert copied.debris() == []
