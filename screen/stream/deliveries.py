"""Sinks, each with a queue and a thread of its own: a slow one or one that fails costs no record and stops nothing."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from screen.stream.ledger import Record
from screen.stream.sinks import Sink

QUEUE = 64
"""Batches that wait for a sink"""
MOST_FAILURES = 100
"""Batches in a row at which a sink may fail before it is handed no more"""
CLOSED_WITHIN = 60.0
"""[s] that a display sink has to end"""

logger = logging.getLogger(__name__)


class Delivery:
    """One sink, its queue and its thread."""

    def __init__(self, sink: Sink, alarm: Callable[[str], object], length: int = QUEUE):
        self.sink, self.name = sink, type(sink).__name__
        self.blocks, self.stored = bool(getattr(sink, "blocks", False)), bool(getattr(sink, "stored", False))
        self.dropped, self.failed = 0, 0
        """batches that it was too slow for; at which it raised"""
        self._alarm, self._in_a_row = alarm, 0
        self._queue: queue.Queue[tuple[Sequence[Record], NDArray | None] | None] = queue.Queue(length)
        self._thread = threading.Thread(target=self._run, name=f"sink-{self.name}", daemon=True)
        self._thread.start()

    def put(self, records: Sequence[Record], images: NDArray | None) -> None:
        """Hand over a batch, or count it as dropped."""
        if self.blocks:
            self._queue.put((records, images))
            return
        try:
            self._queue.put_nowait((records, images))
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            if self._in_a_row >= MOST_FAILURES:
                self.dropped += 1
                continue
            try:
                self.sink.decided(*batch)
                self._in_a_row = 0
            except Exception as error:  # whatever it is: screening goes on
                self.failed, self._in_a_row = self.failed + 1, self._in_a_row + 1
                if self._in_a_row in (1, MOST_FAILURES):
                    gone = "; it is handed no more" if self._in_a_row == MOST_FAILURES else ""
                    self._alarm(f"{self.name} failed ({type(error).__name__}: {error}){gone}")
                    logger.warning("%s failed", self.name, exc_info=error)
        try:
            self.sink.close()
        except Exception as error:
            self.failed += 1
            self._alarm(f"{self.name} failed at its end ({type(error).__name__}: {error})")

    def close(self) -> None:
        """Wait until it has taken all that was handed to it; a display sink for a while."""
        if self.blocks:
            self._queue.put(None)
            self._thread.join()
            return
        try:
            self._queue.put(None, timeout=CLOSED_WITHIN)
            self._thread.join(CLOSED_WITHIN)
        except queue.Full:
            pass
        if self._thread.is_alive():
            self._alarm(f"{self.name} did not end within {CLOSED_WITHIN:g} s")


class Deliveries:
    """All sinks."""

    def __init__(self, sinks: Sequence[Sink], alarm: Callable[[str], object]):
        self.each = [Delivery(sink, alarm) for sink in sinks]
        self.stored = any(delivery.stored for delivery in self.each)

    def put(self, records: Sequence[Record], images: NDArray | None, stored: Sequence[NDArray | None]) -> None:
        """Hand a batch to each; `images` as the network saw them, `stored` as the source gave them."""
        as_given = _together(stored) if self.stored else None
        for delivery in self.each:
            delivery.put(records, as_given if delivery.stored else images)

    def dropped(self) -> dict[str, int]:
        """Batches that each was too slow for, or failed at."""
        return {delivery.name: delivery.dropped + delivery.failed for delivery in self.each}

    def close(self) -> None:
        """End all."""
        for delivery in self.each:
            delivery.close()


def _together(frames: Sequence[NDArray | None]) -> NDArray | None:
    """(n, ...) of the shape that most have; 0 where a frame has none or another."""
    shapes = [(frame.shape, frame.dtype) for frame in frames if frame is not None]
    if not shapes:
        return None
    shape, dtype = max(set(shapes), key=shapes.count)
    stack = np.zeros((len(frames), *shape), dtype)
    for at, frame in enumerate(frames):
        if frame is not None and frame.shape == shape:
            stack[at] = frame
    return stack
