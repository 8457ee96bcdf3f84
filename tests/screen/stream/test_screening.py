"""The loop: every frame of every train is in the ledger once, in order, whatever source, network and sinks do."""

import threading
import time

import numpy as np
import pytest

from frames.files import read_table
from screen.network.asked import Asking
from screen.stream.deliveries import QUEUE
from screen.stream.ledger import Ledger, records_of
from screen.stream.policy import RANDOM, Policy, uniform
from screen.stream.screening import BATCH, MISFITS, Screening
from support.streaming import SHAPE, Heard, Made, brightness, frame, network

KEEP_ALL_VETOES_OUT = Policy(0.5, kept_share=0.0)


def screened(folder, source, policy=KEEP_ALL_VETOES_OUT, predict=brightness, sinks=(), **more):
    screening = Screening(source, Asking(network(predict)), policy, Ledger(folder), sinks, **more)
    status = screening.run()
    return list(records_of(read_table(folder / "decisions.parquet"))), status


@pytest.mark.parametrize("workers", [1, 3])
def test_every_frame_is_decided_in_order(tmp_path, workers):
    """By as many workers, of which some take longer than those that come after."""
    rng = np.random.default_rng(0)
    sizes = [1, 1, 5, BATCH + 3, 2 * BATCH, *rng.integers(1, 40, 40)]
    values = [rng.random(size).round(3) for size in sizes]
    trains = [[frame(n, value, pulse) for pulse, value in enumerate(train)] for n, train in enumerate(values)]

    def predict(images):
        time.sleep(float(images[0, 0, 0]) * 0.01)
        return brightness(images)

    source, sink = Made(trains), Heard()
    records, status = screened(tmp_path, source, predict=predict, sinks=[sink], workers=workers)
    ids = [one.id for train in trains for one in train]
    assert [record.id for record in records] == ids == source.committed
    expected = np.concatenate(values)
    assert [record.decision for record in records] == ["keep" if p >= 0.5 else "veto" for p in expected]
    assert np.allclose([record.p_single for record in records], expected, atol=1e-6)
    assert all(record.decided >= record.arrived for record in records)
    assert [record.id for record in sink.records] == ids
    assert np.allclose(np.concatenate(sink.images)[:, 0, 0], expected, atol=1e-6)
    assert sink.closed
    assert source.closed.is_set()
    assert status.counts == {"keep": (expected >= 0.5).sum(), "veto": (expected < 0.5).sum()} | dict.fromkeys(
        ("missing", "unreadable", "skipped"), 0
    )
    assert sum(status.histogram) == status.window == min(len(expected), 2000)
    assert np.isclose(status.hit_rate, (expected >= 0.5).mean())
    assert not status.running


def test_poison_is_put_aside_and_counted(tmp_path):
    """And the frames about it are answered as ever."""
    wrong = np.full(SHAPE, 0.9, np.float32)
    wrong[3, 4] = np.inf
    trains = [
        [frame(0, 0.9), frame(0, wrong, 1), frame(0, 0.1, 2)],
        [frame(1, np.full((9, 9), 0.9, np.float32))],
        [frame(2, np.zeros((0,), np.float32))],
        [frame(3, np.full(SHAPE, "a"))],
        [frame(4, np.full(SHAPE, np.nan, np.float32))],
        [frame(5, problem="missing: train without frames", pulse=-1)],
        [],
        [frame(6, problem="unreadable: torn")],
        [frame(7, 0.8)],
    ]
    records, status = screened(tmp_path, Made(trains))
    assert [(record.decision, record.reason) for record in records] == [
        ("keep", ""),
        ("unreadable", "1 pixels are no finite numbers"),
        ("veto", ""),
        ("unreadable", "9 x 9 pixels in place of 8 x 8"),
        ("unreadable", "empty"),
        ("unreadable", "values are <U1"),
        ("missing", "no pixel has a value"),
        ("missing", "train without frames"),
        ("unreadable", "torn"),
        ("keep", ""),
    ]
    assert [np.isnan(record.p_single) for record in records] == [
        record.decision not in ("keep", "veto") for record in records
    ]
    assert sum(status.counts.values()) == 10


def test_frames_of_another_size_are_an_error_that_says_what_to_do(tmp_path):
    """One of them is poison, but not all from the first on; the ledger is complete all the same."""
    source = Made([[frame(n, np.zeros((9, 7), np.float32))] for n in range(100)])
    with pytest.raises(ValueError, match=r"9 x 7 pixels.* 8 x 8; give the table .*--table"):
        screened(tmp_path, source)
    table = read_table(tmp_path / "decisions.parquet")
    assert MISFITS <= len(table) <= 100
    assert set(table["decision"].to_pylist()) == {"unreadable"}


def test_what_fails_fails_open(tmp_path):
    """A network that raises, one that answers no numbers, and one that is late."""

    def predict(images):
        value = images[0, 0, 0]
        if value == 0.25:
            raise RuntimeError("broken")
        if value == 0.125:
            time.sleep(0.6)
        return np.full(len(images), np.nan) if value == 0.375 else brightness(images)

    trains = [[frame(n, value)] for n, value in enumerate((0.0, 0.25, 0.375, 0.125, 0.0, 0.75))]
    records, status = screened(
        tmp_path, Made(trains, pause=0.15), Policy(0.5, kept_share=0, deadline=0.3), predict, workers=2
    )
    assert [(record.decision, record.reason) for record in records] == [
        ("veto", ""),
        ("keep", "no answer: RuntimeError"),
        ("keep", "no finite answer"),
        ("keep", "late: no answer in 0.3 s"),
        ("veto", ""),
        ("keep", ""),
    ]
    assert any("broken" in alarm for alarm in status.alarms)


def test_where_all_workers_hang_frames_are_kept(tmp_path):
    hang = threading.Event()

    def predict(images):
        if images[0, 0, 0] == 0.25:
            hang.wait(20)
        return brightness(images)

    trains = [[frame(n, 0.25)] for n in range(8)]
    records, _ = screened(tmp_path, Made(trains), Policy(0.5, kept_share=0, deadline=0.2), predict)
    hang.set()
    assert [record.id.train for record in records] == list(range(8))
    assert {(record.decision, record.reason) for record in records} == {("keep", "late: no answer in 0.2 s")}


def test_a_source_that_cannot_wait_is_skipped_from_the_oldest(tmp_path):
    """Each frame that was not looked at is in the ledger, in its place."""
    answering = threading.Event()

    def predict(images):
        if images[0, 0, 0] == 1:
            answering.wait(20)
        return brightness(images)

    class Fast(Made):
        def __iter__(self):
            yield from super().__iter__()
            answering.set()

    trains = [[frame(n, 1 if n < 2 else 0.75)] for n in range(50)]
    policy = Policy(0.5, when_full="skip-oldest")
    records, status = screened(tmp_path, Fast(trains, lossless=False), policy, predict, queue_trains=4)
    assert [record.id.train for record in records] == list(range(50))
    decisions = [record.decision for record in records]
    n_skipped = decisions.count("skipped")
    assert 50 - 4 - BATCH <= n_skipped <= 48
    assert n_skipped > 10
    assert decisions[-4:] == ["keep"] * 4
    assert status.counts["skipped"] == n_skipped


def test_a_lossless_source_waits(tmp_path):
    """Whatever the policy says."""
    trains = [[frame(n, 0.75)] for n in range(60)]

    def predict(images):
        time.sleep(0.002)
        return brightness(images)

    records, _ = screened(tmp_path, Made(trains), Policy(0.5, when_full="skip-oldest"), predict, queue_trains=2)
    assert [record.decision for record in records] == ["keep"] * 60


def test_what_comes_again_is_not_decided_again(tmp_path):
    """In the same run, in the same train, and after the ledger was closed."""
    first = [[frame(0), frame(0)], [frame(1)], [frame(0), frame(2)]]
    records, status = screened(tmp_path, Made(first))
    assert [record.id.train for record in records] == [0, 1, 2]
    assert status.repeated == 2
    records, status = screened(tmp_path, Made([[frame(2)], [frame(3)]]))
    assert [record.id.train for record in records] == [0, 1, 2, 3]
    assert status.repeated == 1


def test_sinks_cost_no_record(tmp_path):
    """One that fails, one that is slow and displays, and one that is slow and keeps files."""
    n = 3 * QUEUE
    fails, display, files = Heard(fails=True), Heard(blocks=False, slow=0.02), Heard(slow=0.001)
    records, status = screened(
        tmp_path, Made([[frame(k)] for k in range(n)], pause=1e-4), sinks=[fails, display, files]
    )
    assert len(records) == len(files.records) == n
    assert not fails.records
    assert fails.closed
    assert display.closed
    assert any("full" in alarm for alarm in status.alarms)


def test_a_slow_display_drops_and_counts(tmp_path):
    gate = threading.Event()

    class Stuck(Heard):
        def decided(self, records, images):
            gate.wait(20)
            super().decided(records, images)

    display = Stuck(blocks=False)
    trains = [[frame(n, 0.75)] * 1 for n in range(4 * QUEUE)]

    class Opens(Heard):
        def close(self):
            gate.set()

    source = Made(trains, pause=1e-3)
    screening = Screening(source, Asking(network()), KEEP_ALL_VETOES_OUT, Ledger(tmp_path), [Opens(), display])
    status = screening.run()
    assert status.counts["keep"] == 4 * QUEUE
    dropped = screening._deliveries.each[1].dropped
    assert dropped > 0
    assert len(display.images) + dropped >= 4 * QUEUE / BATCH


def test_frames_as_they_were_given_are_for_sinks_that_ask(tmp_path):
    sink = Heard(stored=True)
    given = np.arange(64, dtype=np.uint16).reshape(SHAPE)
    screened(tmp_path, Made([[frame(0, given), frame(0, pulse=1, problem="missing")]]), sinks=[sink])
    (images,) = sink.images
    assert images.dtype == np.uint16
    assert np.array_equal(images, [given, np.zeros(SHAPE)])


def test_a_source_that_raises_is_told_after_what_came(tmp_path):
    class Torn(Made):
        def __iter__(self):
            yield from super().__iter__()
            raise OSError("cable")

    with pytest.raises(OSError, match="cable"):
        screened(tmp_path, Torn([[frame(0)], [frame(1)]]))
    assert read_table(tmp_path / "decisions.parquet")["train"].to_pylist() == [0, 1]


def test_it_stops_when_told_and_decides_what_came(tmp_path):
    source = Made(([frame(n)] for n in range(100_000)), pause=1e-3)
    screening = Screening(source, Asking(network()), KEEP_ALL_VETOES_OUT, Ledger(tmp_path))
    threading.Timer(0.3, screening.stop).start()
    status = screening.run()
    trains = read_table(tmp_path / "decisions.parquet")["train"].to_pylist()
    assert trains == list(range(len(trains)))
    assert 0 < len(trains) == status.counts["keep"] < 100_000


def test_a_ledger_that_cannot_be_written_is_waited_for(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    honest, failing = ledger.append, [2]

    def append(records):
        if records[-1].id.train and failing[0]:
            failing[0] -= 1
            raise OSError(28, "No space left on device")
        honest(records)

    monkeypatch.setattr(ledger, "append", append)
    monkeypatch.setattr("screen.stream.screening.RETRY", 0.05)
    status = Screening(
        Made([[frame(n)] for n in range(9)], pause=1e-3), Asking(network()), KEEP_ALL_VETOES_OUT, ledger
    ).run()
    assert status.counts["keep"] == 9
    assert any("No space left" in alarm for alarm in status.alarms)


def test_a_random_share_of_vetoes_is_kept_and_a_replay_keeps_the_same(tmp_path):
    policy = Policy(0.5, kept_share=0.1, seed=3)
    trains = [[frame(n, 0.25, pulse) for pulse in range(50)] for n in range(80)]
    records, _ = screened(tmp_path / "a", Made(trains), policy)
    again, _ = screened(tmp_path / "b", Made(trains[::-1]), policy)
    kept = {record.id for record in records if record.decision == "keep"}
    assert kept == {record.id for record in again if record.decision == "keep"}
    assert {record.reason for record in records if record.decision == "keep"} == {RANDOM}
    assert abs(len(kept) - 400) < 5 * np.sqrt(4000 * 0.1 * 0.9)
    other = {one.id for train in trains for one in train if uniform(one.id, 4) < 0.1}
    assert len(kept & other) < 0.25 * len(kept)


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"kept_share": -0.1}, {"deadline": 0}])
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Policy(**{"threshold": 0.5} | wrong)


def test_the_last_that_is_told_is_that_it_ended(tmp_path):
    """Of a sink that looks on, when it is closed: a page would else say that there is no word."""
    said = []

    class Looks(Heard):
        def close(self):
            said.append(screening.status())

    screening = Screening(Made([[frame(0)]]), Asking(network()), KEEP_ALL_VETOES_OUT, Ledger(tmp_path), [Looks()])
    screening.run()
    assert [(status.running, status.counts["keep"]) for status in said] == [(False, 1)]


def test_of_more_frames_than_can_be_answered_most_of_what_can_be_is_answered_in_time(tmp_path, caplog):
    """Twice as many: half of them, less what is answered for nothing; without, all would wait just too long."""

    def predict(images):
        time.sleep(0.002 * len(images))
        return brightness(images)

    trains = [[frame(n, 0.75, pulse) for pulse in range(10)] for n in range(200)]
    source = Made(trains, lossless=False, pause=0.01)
    records, status = screened(
        tmp_path, source, Policy(0.5, kept_share=0, deadline=0.2, when_full="skip-oldest"), predict
    )
    reasons = [record.reason for record in records]
    assert len(records) == 2000
    assert set(reasons) == {"", "late: no answer in 0.2 s"}
    in_time = [record for record in records if record.reason == ""]
    assert 0.3 * 2000 < len(in_time) < 0.8 * 2000
    assert all(record.decided - record.arrived < 0.25 for record in in_time)
    assert sum("late" in alarm for alarm in status.alarms) == 1
    assert sum("late" in one.getMessage() for one in caplog.records) == 1
