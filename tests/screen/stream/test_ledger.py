"""The ledger: every id once, in order, through kills, torn writes and full disks."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from frames.files import read_table
from screen.stream.frame import NO_PULSE, FrameId
from screen.stream.ledger import SCHEMA, Ledger, Record, records_of
from screen.stream.pieces import whole_batches
from screen.stream.seen import TRAINS, Seen

ROOT = Path(__file__).resolve().parents[3]


def record(n, decision="keep", p=0.5, in_domain=None, run="r1"):
    return Record(FrameId("det", run, n, 0), decision, p, "why", n + 0.25, n + 0.5, in_domain)


def test_what_was_appended_is_read_back_in_order(tmp_path):
    ledger = Ledger(tmp_path, rows_per_piece=5)
    written = [
        record(7, p=0.25, in_domain=True),
        record(3, "veto", p=0.125, in_domain=False),
        record(4, "missing", p=math.nan),
        *(record(n, "unreadable", p=math.nan) for n in range(10, 17)),
        Record(FrameId("det", "r1", 99, NO_PULSE), "skipped", math.nan, "queue full", 1.5, 2.5, None),
    ]
    for start in range(0, len(written), 3):
        ledger.append(written[start : start + 3])
    assert ledger.counts() == {"keep": 1, "veto": 1, "missing": 1, "unreadable": 7, "skipped": 1}
    assert sum(ledger.counts().values()) == len(ledger) == len(written)
    table = read_table(ledger.close())
    assert [str(found) for found in records_of(table)] == [str(expected) for expected in written]
    assert table["p_single"].null_count == 9


def test_an_id_is_there_once(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([record(1)])
    for records in ([record(2), record(1)], [record(2), record(2)]):
        with pytest.raises(ValueError, match="decided once"):
            ledger.append(records)
    assert ledger.seen(FrameId("det", "r1", 1, 0))
    assert not ledger.seen(FrameId("det", "r1", 2, 0))
    assert not ledger.seen(FrameId("det", "r2", 1, 0))
    with pytest.raises(ValueError, match="perhaps"):
        ledger.append([record(2, "perhaps")])
    assert len(read_table(ledger.close())) == 1


def test_it_goes_on_after_its_end(tmp_path):
    """The table of all decisions is away as long as it would not be of all."""
    for at in (0, 4):
        ledger = Ledger(tmp_path, rows_per_piece=3)
        assert ledger.resumed == at
        if at:
            with pytest.raises(ValueError, match="already"):
                ledger.append([record(0)])
            assert (tmp_path / "decisions.parquet").exists()
        ledger.append([record(at + n) for n in range(4)])
        assert not (tmp_path / "decisions.parquet").exists()
        path = ledger.close()
    assert read_table(path)["train"].to_pylist() == list(range(8))


def test_two_may_not_have_it(tmp_path):
    ledger = Ledger(tmp_path)
    with pytest.raises(BlockingIOError, match="another screening"):
        Ledger(tmp_path)
    ledger.close()
    Ledger(tmp_path).close()


@pytest.mark.parametrize("n_cut", [1, 7, 100, 700])
def test_a_torn_end_is_cut_off(tmp_path, n_cut):
    """Whole batches before it stay, whatever is left of the last one."""
    ledger = Ledger(tmp_path / "a")
    for n in range(6):
        ledger.append([record(2 * n), record(2 * n + 1)])
    data = (tmp_path / "a" / "ledger" / "000000.arrows").read_bytes()
    ledger.close()
    torn = tmp_path / "b" / "ledger" / "000000.arrows"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(data[:-n_cut])
    again = Ledger(tmp_path / "b")
    assert again.torn > 0
    assert again.resumed == 10
    assert not again.seen(record(10).id)
    again.append([record(10), record(11)])
    assert read_table(again.close())["train"].to_pylist() == list(range(12))


def test_every_cut_of_a_stream_leaves_whole_batches(tmp_path):
    """At any byte."""
    ledger = Ledger(tmp_path)
    ends = []
    for n in range(3):
        ledger.append([record(n)])
        ends.append((tmp_path / "ledger" / "000000.arrows").stat().st_size)
    data = (tmp_path / "ledger" / "000000.arrows").read_bytes()
    ledger.close()
    for cut in range(0, len(data) + 1, 3):
        (tmp_path / "cut.arrows").write_bytes(data[:cut])
        table, torn = whole_batches(tmp_path / "cut.arrows", SCHEMA)
        assert table["train"].to_pylist() == list(range(sum(end <= cut for end in ends)))
        assert torn == cut - max([end for end in ends if end <= cut], default=0) or cut < ends[0]


def test_the_open_piece_is_an_arrow_stream(tmp_path):
    """Which others read while it is written."""
    ledger = Ledger(tmp_path)
    ledger.append([record(1), record(2)])
    with pa.ipc.open_stream((tmp_path / "ledger" / "000000.arrows").read_bytes()) as stream:
        assert stream.read_all()["train"].to_pylist() == [1, 2]
    ledger.close()


def test_of_a_full_disk_nothing_is_half_written(tmp_path):
    """A limit on the size of files stands for it."""
    code = f"""
import resource, signal, sys
from screen.stream.ledger import Ledger
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_ledger import record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledger({str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
n = 0
try:
    while True:
        ledger.append([record(n), record(n + 1)])
        n += 2
except OSError as error:
    assert not ledger.seen(record(n).id)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ledger.append([record(n), record(n + 1)])
    print(n + 2, ledger.close())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr
    n, path = done.stdout.split()
    assert int(n) > 10
    assert read_table(path)["train"].to_pylist() == list(range(int(n)))


def test_kills_lose_nothing_that_was_appended(tmp_path):
    """A process says how far it is after each batch; killed, its successor has at least that, and nothing twice."""
    code = f"""
import sys
from screen.stream.ledger import Ledger
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_ledger import record
ledger = Ledger({str(tmp_path)!r}, rows_per_piece=1000)
n = len(ledger)
while True:
    ledger.append([record(n + i) for i in range(7)])
    n += 7
    print(n, flush=True)
"""
    told = 0
    for kill in range(4):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(150 + 61 * kill):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        told = int((process.stdout.read().rstrip("\n").splitlines() or [told])[-1])
        process.wait()
    ledger = Ledger(tmp_path, rows_per_piece=1000)
    assert told <= len(ledger) <= told + 7
    trains = read_table(ledger.close())["train"].to_pylist()
    assert trains == list(range(len(trains)))


def test_a_set_of_bits_is_a_set():
    """Against Python's, of trains about the ends of bitmaps, before 0, and far."""
    rng = np.random.default_rng(0)
    trains = [*range(-3, 3), TRAINS - 1, TRAINS, 10_000_000_000, *rng.integers(-9000, 9000, 3000).tolist()]
    seen, truth = Seen(), set()
    for train in trains:
        id = FrameId("a" if train % 3 else "b", "", train, train % 2)
        assert (id in seen) == (id in truth)
        assert seen.add(id) == (id not in truth)
        truth.add(id)
        assert FrameId(id.source, "", train, 5) not in seen
    assert len(seen) == len(truth)


def test_a_damaged_piece_is_named(tmp_path):
    ledger = Ledger(tmp_path, rows_per_piece=1)
    ledger.append([record(1)])
    ledger.close()
    path = tmp_path / "ledger" / "000000.arrow"
    os.truncate(path, path.stat().st_size - 40)
    with pytest.raises(ValueError, match=r"000000\.arrow is damaged"):
        Ledger(tmp_path)
