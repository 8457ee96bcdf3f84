"""The simulated beamline: what it sends is what it says, and a screening of it ends with every frame told of."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from frames.files import read_table
from frames.formats.open import open_frames
from frames.store.dataset import open_dataset
from screen.beamline.command import SOURCE, main, truth
from screen.beamline.pulses import FIRST_TRAIN, Plan, images_of, trains
from support.datasets import make_dataset

ROOT = Path(__file__).resolve().parents[3]
N, SIDE = 40, 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    images = np.random.default_rng(0).poisson(2, (N, SIDE, SIDE)).astype(np.uint16)
    at = tmp_path_factory.mktemp("beamline") / "data"
    return make_dataset(
        at, images, ["a", "b"] * (N // 2), [1, 2] * (N // 2), patterns_per_chunk=8, patterns_per_shard=8
    )


def test_the_same_seed_sends_the_same_at_the_rate_that_is_asked_for():
    plan = Plan(rate=3200, pulses=32, n_frames=32_000, jitter=0.3, poisoned=0.2, seed=3)
    sent, again = (list(trains(plan, np.arange(100))) for _ in range(2))
    assert [(t.due, t.poison) for t in sent] == [(t.due, t.poison) for t in again]
    due = np.array([train.due for train in sent])
    assert (np.diff(due) >= 0).all()
    assert 32_000 / due[-1] == pytest.approx(3200, rel=0.01)
    # Of 1000 trains 200 ± 12.6 are poisoned.
    assert 200 - 51 < sum(train.poison is not None for train in sent) < 200 + 51
    assert sent[4].rows.tolist() == [(4 * 32 + k) % 100 for k in range(32)]


def test_pauses_come_when_they_are_asked_for():
    plan = Plan(rate=10, pulses=1, n_frames=31, jitter=0, pause_every=1, pause=5)
    due = np.diff([train.due for train in trains(plan, np.arange(5))])
    np.testing.assert_allclose(due[[9, 19, 29]], 5.1)
    np.testing.assert_allclose(np.delete(due, [9, 19, 29]), 0.1, atol=1e-9)


def test_poison_is_what_its_name_says():
    images = np.ones((4, SIDE, SIDE), np.float32)
    seen = set()
    for train in trains(Plan(rate=1, pulses=4, n_frames=400, poisoned=1), np.arange(4)):
        sent = images_of(train, images)
        seen.add(train.poison)
        if train.poison == "not finite":
            assert np.flatnonzero(~np.isfinite(sent).all((1, 2))).tolist() == [train.victim]
        elif train.poison == "wrong shape":
            assert sent.shape == (4, SIDE - 1, SIDE)
        else:
            assert sent is None
    assert seen == {"not finite", "wrong shape", "no frames", "never sent"}
    assert np.isfinite(images).all()


def test_the_reference_client_reads_the_dataset(folder):
    client_of = pytest.importorskip("karabo_bridge").Client
    command = [sys.executable, "-m", "singlehit", "beamline", str(folder), "--split", "all", "--frames", str(N)]
    command += ["--pulses", "8", "--rate", "400", "--bind", "tcp://127.0.0.1:*", "--wait", "1000"]
    started = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    endpoint = started.stdout.readline().split()[3].rstrip(",")
    dataset = open_dataset(folder)
    with client_of(endpoint, timeout=10) as client:
        for n in range(N // 8):
            data, meta = client.next()
            assert meta[SOURCE]["timestamp.tid"] == FIRST_TRAIN + n
            np.testing.assert_array_equal(data[SOURCE]["image.data"], dataset.read(slice(8 * n, 8 * n + 8)))
    said, _ = started.communicate(timeout=20)
    assert said == f"{N // 8} trains were taken, 0 were not\n"
    assert started.returncode == 0


@pytest.mark.parametrize("protocol", ["file", "swmr"])
def test_files_grow_by_the_dataset(folder, protocol, tmp_path):
    given = [str(folder), "--protocol", protocol, "--folder", str(tmp_path / "raw"), "--split", "all"]
    given += ["--frames", str(N), "--rate", "1e6", "--truth", str(tmp_path / "truth.parquet")]
    assert main(given) == 0
    dataset = open_dataset(folder)
    names = {"file": ("000000.cxi", None), "swmr": ("beamline.h5", "entry/data")}
    frames = open_frames(tmp_path / "raw" / names[protocol][0], names[protocol][1])
    known = read_table(tmp_path / "truth.parquet").to_pandas()
    assert len(frames) == len(known) == 64  # whole trains of 32
    np.testing.assert_array_equal(frames.read(slice(0, N)), dataset.read(slice(0, N)))
    assert known["hit_multiplicity"].tolist() == dataset.hit_multiplicity[known["row"]].tolist()
    assert main(given) == 2  # not into a folder that has files


def test_the_truth_says_which_frames_are_poisoned(folder):
    plan = Plan(rate=1, pulses=4, n_frames=400, poisoned=0.5, seed=1)
    table = truth(open_dataset(folder), plan, np.arange(N)).to_pandas()
    for train in trains(plan, np.arange(N)):
        told = table[table["train"] == train.id]["poison"].tolist()
        one = [train.poison if k == train.victim else "" for k in range(4)]
        assert told == (one if train.poison == "not finite" else [train.poison or ""] * 4)


@pytest.mark.parametrize(("given", "said"), [(["--rate", "0"], "more than 0"), (["--poisoned", "2"], "from 0 to 1")])
def test_what_cannot_be_is_told(folder, given, said, capsys):
    assert main([str(folder), *given]) == 2
    assert said in capsys.readouterr().err
