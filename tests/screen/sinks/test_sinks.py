"""Sinks, each read by the foreign program that it is for."""

import math
import subprocess
import threading
import urllib.request

import h5py
import numpy as np
import pytest

from frames.formats.open import open_frames
from screen.sinks.decisions import decisions_of
from screen.sinks.euxfel import EuXFELRun, write_run
from screen.sinks.hits import CopiedHits, VirtualHits
from screen.stream.frame import NO_PULSE, FrameId
from screen.stream.ledger import DECISIONS, Ledger, Record
from screen.stream.policy import RANDOM
from screen.stream.status import Status
from support.programs.servers import program

SIDE = 8
RNG = np.random.default_rng(0)


def record(train, pulse=0, decision="keep", p=0.9, reason="", run="r", source="SPB/DET"):
    return Record(FrameId(source, run, train, pulse), decision, p, reason, 1000.0 + train, 1000.01 + train, None)


def some(n=3, pulses=4):
    """Trains in which every decision is there once or more."""
    found = [
        record(
            10_000 + train, pulse, ("keep", "veto", "unreadable", "keep")[pulse % 4], (0.9, 0.2, math.nan, 0.1)[pulse]
        )
        for train in range(n)
        for pulse in range(pulses)
    ]
    for one in found[3::4]:
        one.reason = RANDOM
    return found


def in_ledger(folder, records, *, closed=True):
    ledger = Ledger(folder)
    ledger.append(records)
    if closed:
        ledger.close()
    return ledger


# --- bridge


@pytest.mark.parametrize(("pattern", "asks"), [("REP", "REQ"), ("PUSH", "PULL")])
def test_the_reference_client_reads_decisions(pattern, asks):
    client_of = pytest.importorskip("karabo_bridge").Client
    from screen.sinks.bridge import SOURCE, Bridge

    bridge = Bridge("tcp://127.0.0.1:*", pattern)
    with client_of(bridge.endpoint, sock=asks, timeout=5) as client:
        bridge.decided(some(), None)
        for train in range(10_000, 10_003):
            data, meta = client.next()
            assert meta[SOURCE]["timestamp.tid"] == train
            told = data[SOURCE]
            np.testing.assert_array_equal(told["data.pulseId"], [0, 1, 2, 3])
            np.testing.assert_array_equal(told["data.keep"], [1, 0, 0, 1])
            assert [DECISIONS[code] for code in told["data.decision"]] == ["keep", "veto", "unreadable", "keep"]
            np.testing.assert_array_equal(told["data.pSingle"], np.array([0.9, 0.2, np.nan, 0.1], "f4"))
            np.testing.assert_allclose(told["data.delayMs"], 10, rtol=1e-3)
            assert (told["detector"], told["run"]) == ("SPB/DET", "r")
        bridge.close()
    assert bridge.dropped == 0


def test_glimpse_shows_decisions():
    pytest.importorskip("karabo_bridge")
    from screen.sinks.bridge import Bridge

    bridge = Bridge("tcp://127.0.0.1:*")
    bridge.decided(some(1), None)
    done = subprocess.run(
        [program("karabo-bridge-glimpse"), bridge.endpoint], capture_output=True, text=True, timeout=30, check=True
    )
    bridge.close()
    assert "Train ID: 10000" in done.stdout
    assert "data.pSingle" in done.stdout


def test_nobody_who_reads_costs_trains_which_are_counted_and_no_time():
    pytest.importorskip("karabo_bridge")
    from screen.sinks.bridge import Bridge

    bridge = Bridge("tcp://127.0.0.1:*", trains=2)
    bridge.decided(some(7), None)
    assert bridge.dropped == 5
    bridge.close()


def test_a_port_that_is_taken_and_pub_are_refused():
    pytest.importorskip("karabo_bridge")
    from screen.sinks.bridge import Bridge

    bridge = Bridge("tcp://127.0.0.1:*")
    with pytest.raises(ValueError, match=r"cannot be served: .*; choose another port"):
        Bridge(bridge.endpoint)
    bridge.close()
    with pytest.raises(ValueError, match="PUB loses trains unseen"):
        Bridge("tcp://127.0.0.1:*", "PUB")


# --- hits


def test_copied_hits_are_read_by_our_own_reader_with_their_ids(tmp_path):
    records, images = some(), RNG.integers(0, 9, (12, 2, 4, SIDE)).astype(np.uint16)
    sink = CopiedHits(tmp_path / "hits", hits_a_file=4)
    sink.decided(records[:7], images[:7])
    sink.decided(records[7:], images[7:])
    sink.close()
    kept = [n for n, one in enumerate(records) if one.decision == "keep"]
    files = sorted((tmp_path / "hits").glob("*.cxi"))
    assert [file.name for file in files] == ["000000.cxi", "000001.cxi"]
    found = np.concatenate([open_frames(file).read(slice(None)) for file in files])
    np.testing.assert_array_equal(found, images[kept].reshape(6, 8, SIDE))
    with h5py.File(files[0]) as file:
        ids = [text.decode() for text in file["entry_1/experiment_identifier"]]
        labels = file["entry_1/data_1/labels"]
        assert ids == [str(records[n].id) for n in kept[:4]]
        assert list(labels["train"]) == [records[n].id.train for n in kept[:4]]
        np.testing.assert_array_equal(labels["p_single"], np.array([records[n].p_single for n in kept[:4]], "f4"))
    again = CopiedHits(tmp_path / "hits")
    again.decided(records[:1], images[:1])
    again.close()
    assert (tmp_path / "hits" / "000002.cxi").exists()


def test_a_kept_frame_that_the_network_did_not_see_has_no_image(tmp_path):
    images = np.ones((2, SIDE, SIDE), np.float32)
    images[0] = np.nan
    sink = CopiedHits(tmp_path, stored=False)
    sink.decided([record(1), record(2)], images)
    sink.decided([record(3)], None)
    sink.close()
    assert sink.without_image == 2
    assert open_frames(tmp_path / "000000.cxi").shape == (1, SIDE, SIDE)


@pytest.mark.parametrize("ending", ["closed", "killed"])
def test_virtual_hits_refer_to_the_frames_of_a_folder(tmp_path, ending):
    frames = {name: RNG.integers(0, 9, (6, SIDE, SIDE)).astype(np.uint16) for name in ("100%d a.h5", "b.h5")}
    (tmp_path / "raw").mkdir()
    for name, values in frames.items():
        with h5py.File(tmp_path / "raw" / name, "w") as file:
            file["entry_1/data_1/data"] = values
    kept = {"100%d a.h5": [0, 1, 4], "b.h5": [5]}
    records = [
        record(row, 0, "keep" if row in kept[name] else "veto", run=name, source="raw")
        for name in frames
        for row in range(6)
    ]
    ledger = in_ledger(tmp_path / "run", records, closed=ending == "closed")
    sink = VirtualHits(tmp_path / "run", tmp_path / "raw", tmp_path / "run" / "hits.cxi")
    sink.decided(records, None)
    sink.close()
    expected = np.concatenate([frames[name][rows] for name, rows in kept.items()])
    (tmp_path / "moved").mkdir()
    for name in ("raw", "run"):  # together
        (tmp_path / name).rename(tmp_path / "moved" / name)
    out = tmp_path / "moved" / "run" / "hits.cxi"
    np.testing.assert_array_equal(open_frames(out).read(slice(None)), expected)
    with h5py.File(out) as file:
        assert file["entry_1/data_1/data"].is_virtual
        assert file["entry_1/experiment_identifier"][3].decode() == "raw:b.h5:5:0"
    assert ending == "closed" or ledger.counts()["keep"] == 4


def test_virtual_hits_of_what_is_no_hdf5_are_refused(tmp_path):
    with pytest.raises(ValueError, match="--hits copy"):
        VirtualHits(tmp_path, tmp_path / "a.npy", tmp_path / "hits.cxi")


# --- European XFEL


def test_extra_data_opens_the_layout_and_finds_no_fault(tmp_path):
    extra_data = pytest.importorskip("extra_data")
    records = [*some(), record(10_005, NO_PULSE, "missing", math.nan), record(10_007, 2, "keep", math.nan, "late")]
    order = RNG.permutation(len(records))  # as trains may come
    in_ledger(tmp_path / "run", [records[n] for n in order])
    sink = EuXFELRun(tmp_path / "run", tmp_path / "proc" / "r0042", run=42, proposal=2900)
    sink.close()
    done = subprocess.run(
        [program("extra-data-validate"), str(tmp_path / "proc" / "r0042")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No problems found" in done.stdout
    run = extra_data.RunDirectory(tmp_path / "proc" / "r0042")
    source = "SPB_DET_AGIPD1M-1/REDU/SPI_HITFINDER:output"
    assert run.all_sources == {source}
    assert run.train_ids == [10_000, 10_001, 10_002, 10_005, 10_007]
    assert list(run[source].data_counts("data")) == [4, 4, 4, 0, 1]
    assert run.run_metadata()["proposalNumber"] == 2900
    values = {key: run[source, f"data.{key}"].ndarray() for key in ("hitFlag", "missFlag", "dataFlag", "hitscore")}
    assert values["hitFlag"].tolist() == [1, 0, 0, 0] * 3 + [1]
    assert values["missFlag"].tolist() == [0, 0, 0, 1] * 3 + [0]
    assert values["dataFlag"].tolist() == [1, 0, 0, 1] * 3 + [1]
    assert values["hitscore"].tolist() == [900_000, 200_000, -1, 100_000] * 3 + [-1]
    assert run[source, "data.pulseId"].ndarray().tolist() == [0, 1, 2, 3] * 3 + [2]


def test_many_trains_are_several_files(tmp_path, monkeypatch):
    extra_data = pytest.importorskip("extra_data")
    monkeypatch.setattr("screen.sinks.euxfel.TRAINS_A_FILE", 2)
    in_ledger(tmp_path / "run", some(5))
    files = write_run(decisions_of(tmp_path / "run"), tmp_path / "r0001", 1, 0, "DET")
    assert [file.name for file in files] == [f"CORR-R0001-REDU00-S0000{n}.h5" for n in range(3)]
    assert extra_data.RunDirectory(tmp_path / "r0001")["DET/REDU/SPI_HITFINDER:output", "data.hitFlag"].shape == (20,)


def test_two_runs_in_one_layout_are_refused(tmp_path):
    in_ledger(tmp_path / "run", [record(1, run="a"), record(1, run="b")])
    with pytest.raises(ValueError, match="a pulse twice"):
        write_run(decisions_of(tmp_path / "run"), tmp_path / "r0001", 1, 0, "DET")


def test_a_train_of_number_0_is_refused_as_extra_data_takes_it_for_none(tmp_path):
    in_ledger(tmp_path / "run", [record(0)])
    with pytest.raises(ValueError, match="trains from 1 on"):
        write_run(decisions_of(tmp_path / "run"), tmp_path / "r0001", 1, 0, "DET")


# --- metrics


def status(**changed):
    said = {
        "time": 0.0, "running": True, "source": "s", "threshold": 0.5,
        "counts": dict.fromkeys(DECISIONS, 0) | {"keep": 7, "veto": 3}, "window": 10, "hit_rate": 0.6,
        "share_kept": 0.7, "histogram": (0,) * 20, "frames_per_s": 120.0, "queue": 4, "delay_p50_ms": 1.0,
        "delay_p99_ms": 2.0, "outside": math.nan, "repeated": 1, "dropped": {"Page": 2}, "alarms": ("12:00:00 dead",),
    }  # fmt: skip
    return Status(**said | changed)


def test_prometheus_reads_what_is_scraped():
    parser = pytest.importorskip("prometheus_client.parser")
    from screen.sinks.metrics import Metrics

    sink = Metrics(0)
    sink.watch(status)
    sink.decided(some(), None)
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["singlehit_frames_total", "keep"] == 7
    assert found["singlehit_frames_total", "missing"] == 0
    assert found["singlehit_dropped_batches_total", "Page"] == 2
    assert found["singlehit_hit_rate",] == 0.6
    assert ("singlehit_outside",) not in found  # not known
    assert (found["singlehit_queue",], found["singlehit_alarms",], found["singlehit_running",]) == (4, 1, 1)
    assert found["singlehit_delay_seconds_count",] == 12
    assert (found["singlehit_delay_seconds_bucket", "0.0083"], found["singlehit_delay_seconds_bucket", "0.02"]) == (
        0,
        12,
    )
    sink.close()
    assert not [thread for thread in threading.enumerate() if thread is sink._thread]
