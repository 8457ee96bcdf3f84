"""An EPICS channel, of pvapy's own simulated detector: every update, or a gap that is counted."""

import os
import threading
import time

import numpy as np
import pytest

LOOPBACK = {
    "EPICS_PVA_ADDR_LIST": "127.0.0.1",
    "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
}
os.environ.update(LOOPBACK)
pytest.importorskip("pvaccess")

from screen.sources.pva import PvAccess, taken  # noqa: E402
from support.programs.servers import program, server  # noqa: E402


def heard(source, seconds):
    threading.Timer(seconds, source.close).start()
    return [frame for train in source for frame in train]


def simulated(channel, fps, seconds=4.0, **more):
    """Frames of pvapy's simulated detector, and alarms."""
    alarms = []
    detector = [program("pvapy-ad-sim-server"), "-cn", channel, "-nx", 32, "-ny", 24, "-dt", "uint16"]
    with server(*detector, "-fps", fps, "-rt", 30, "-std", 1, "-rp", 0, "-dc", **LOOPBACK):
        time.sleep(0.5)
        source = PvAccess(channel, **more)
        source.alarm = alarms.append
        return heard(source, seconds), alarms


def test_a_simulated_detector_loses_nothing():
    """At 1,000 frames/s; the numbers follow each other, and what is no image is no frame."""
    frames, _ = simulated(f"singlehit:{os.getpid()}", 1000)
    good = [frame for frame in frames if frame.problem is None]
    numbers = [frame.id.train for frame in good]
    assert len(numbers) > 300
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {frame.image.shape for frame in good} == {(24, 32)}
    assert {frame.image.dtype for frame in good} == {np.dtype("uint16")}
    assert not [frame for frame in frames if frame.problem and frame.problem.startswith("missing")]


def test_without_a_queue_what_is_lost_is_told_number_by_number():
    """Of a burst that a queue of one cannot hold: with those that are missing the numbers follow each other."""
    frames, alarms = simulated(f"singlehit:{os.getpid()}:few", 3500, queue_size=1)
    numbered = [frame for frame in frames if frame.problem is None or frame.problem.startswith("missing")]
    numbers = [frame.id.train for frame in numbered]
    missing = [frame for frame in numbered if frame.problem]
    assert len(numbers) > 300
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert sum(int(alarm.split("skipped ")[1].split()[0]) for alarm in alarms) == len(missing)
    print(f"{len(missing)} of {len(numbers)} were lost")


def an_update(number, values, **more):
    dimension = [{"size": size} for size in reversed(values.shape)]
    said = {"uniqueId": number, "value": ({"ushortValue": values.ravel()},), "dimension": dimension}
    return said | {"codec": {"name": ""}, "timeStamp": {"secondsPastEpoch": 5, "nanoseconds": 500_000_000}} | more


def test_gaps_are_recorded_and_empty_updates_are_put_aside():
    source, values = PvAccess("made:up"), np.arange(6, dtype=np.uint16).reshape(2, 3)
    alarms = []
    source.alarm = alarms.append
    (empty,) = source._frames(taken(1.0, an_update(0, values[:0], dimension=[])))
    assert empty.problem == "unreadable: empty update"
    (first,) = source._frames(taken(1.0, an_update(7, values)))
    assert (first.id.train, first.timestamp) == (7, 5.5)
    assert np.array_equal(first.image, values)
    frames = source._frames(taken(1.0, an_update(10, values)))
    assert [(frame.id.train, frame.problem is None) for frame in frames] == [(8, False), (9, False), (10, True)]
    assert "skipped 2 frames before 10" in alarms[0]
    (odd,) = source._frames(taken(1.0, an_update(11, values, codec={"name": "blosc"})))
    assert "compressed by blosc" in odd.problem
