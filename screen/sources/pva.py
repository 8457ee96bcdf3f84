"""Images of an EPICS channel over PVAccess (NTNDArray), through pvapy.

Updates are asked for with a queue in the server: without one it overwrites what was not fetched yet, and frames are
lost (28 of 6,036 in a trial, and none with it). What is missing shows in `uniqueId`, and is recorded as missing. The
first update after a connection is empty, or an image that came before: an empty one is recorded as unreadable.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screen.stream.frame import NO_PULSE, Frame, FrameId

QUEUE = 1000
"""Updates that the server keeps for us"""
HELD = 4096
"""Updates that wait for us in this process"""
MOST_MISSING = 100_000
"""A gap of more is taken for a server that began anew"""


class PvAccess:
    """A source of a channel's images."""

    lossless = False
    drains = True

    def __init__(self, channel: str, *, run: str = "", queue_size: int = QUEUE, silence: float = 10.0):
        """A channel; `silence` after which there is an alarm [s]. ModuleNotFoundError without pvapy."""
        import pvaccess

        self.name, self._run, self._silence = channel, run, silence
        self.alarm: Callable[[str], None] = lambda text: None
        self._request = f"record[queueSize={queue_size}]field()"
        self._came: queue.Queue[Update] = queue.Queue(HELD)
        self._closed = threading.Event()
        self._last: int | None = None
        self._channel = pvaccess.Channel(channel, pvaccess.PVA)

    def __iter__(self) -> Iterator[Sequence[Frame]]:
        self._channel.subscribe("singlehit", lambda update: self._came.put(taken(time.time(), update)))
        self._channel.startMonitor(self._request)
        last, is_silent = time.monotonic(), False
        try:
            while not self._closed.is_set():
                try:
                    update = self._came.get(timeout=0.1)
                except queue.Empty:
                    if time.monotonic() - last > self._silence and not is_silent:
                        self.alarm(f"{self.name} is silent for {self._silence:g} s")
                        is_silent = True
                    yield []
                    continue
                if is_silent:
                    self.alarm(f"{self.name} is back")
                last, is_silent = time.monotonic(), False
                yield self._frames(update)
            self._channel.stopMonitor()
            while not self._came.empty():
                yield self._frames(self._came.get())
        finally:
            self._channel.stopMonitor()
            self._channel.unsubscribe("singlehit")

    def commit(self, ids: Sequence[FrameId]) -> None:
        """A channel cannot be told."""

    def close(self) -> None:
        """End the subscription."""
        self._closed.set()

    def _frames(self, update: "Update") -> list[Frame]:
        """The frame of an update, after those that are missing before it."""
        arrived, number, timestamp, image, problem = update
        if image is None:
            id = FrameId(self.name, self._run or "unnumbered", time.time_ns(), NO_PULSE)
            return [Frame(id, None, arrived, f"unreadable: {problem}")]
        missing: list[Frame] = []
        if self._last is not None and 1 < number - self._last <= MOST_MISSING:
            ids = (FrameId(self.name, self._run, n, 0) for n in range(self._last + 1, number))
            missing = [Frame(id, None, arrived, "missing: the channel skipped it") for id in ids]
            self.alarm(f"{self.name} skipped {len(missing)} frames before {number}")
        self._last = number
        return [*missing, Frame(FrameId(self.name, self._run, number, 0), image, timestamp)]


class Update(NamedTuple):
    """What is kept of an update, whose own memory is used again for the next one."""

    arrived: float
    number: int
    timestamp: float
    image: NDArray | None
    problem: str


def taken(arrived: float, update: Any) -> Update:
    """A copy of what an update holds."""
    try:
        image = image_of(update)
        if image is None:
            return Update(arrived, 0, arrived, None, "empty update")
        return Update(arrived, int(update["uniqueId"]), _seconds(update, arrived), image.copy(), "")
    except Exception as error:  # of whatever the channel sends
        return Update(arrived, 0, arrived, None, str(error))


def image_of(update: Any) -> NDArray | None:
    """(ny, nx) of an NTNDArray; None where it is empty. ValueError where it is compressed, or no image."""
    value = update["value"]
    value = value[0] if isinstance(value, tuple | list) else value
    lengths = [int(dimension["size"]) for dimension in update["dimension"]]
    if not value or not lengths:
        return None
    if codec := update["codec"]["name"]:
        raise ValueError(f"images compressed by {codec} are not read; have the channel send them plain")
    (values,) = value.values()
    image = np.asarray(values)
    if not image.size:
        return None
    return image.reshape(lengths[::-1])  # EPICS names the fastest axis first


def _seconds(update: Any, arrived: float) -> float:
    try:
        stamp = update["timeStamp"]
        return float(stamp["secondsPastEpoch"]) + 1e-9 * float(stamp["nanoseconds"])
    except (KeyError, TypeError, ValueError):
        return arrived
