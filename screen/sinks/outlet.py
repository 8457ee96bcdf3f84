"""A karabo bridge that we serve: messages of protocol 2.2 to whoever asks (REP) or pulls (PUSH), in order.

The oldest are dropped, and counted, where nobody takes them: who serves never waits.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

Pattern = Literal["REP", "PUSH"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)
POLL = 0.05
"""[s] between looks whether it is to end"""
Part = bytes | memoryview


def stamped(train: int, time_s: float) -> dict[str, Any]:
    """A source's metadata as Karabo has them: the train, and its time in seconds and in attoseconds of the second."""
    seconds = int(time_s)
    fraction = round((time_s - seconds) * 1e9) * 10**9
    return {
        "timestamp": time_s,
        "timestamp.sec": str(seconds),
        "timestamp.frac": f"{fraction:018d}",
        "timestamp.tid": train,
    }


def message(train: int, time_s: float, data: Mapping[str, Mapping[str, Any]]) -> list[Part]:
    """The parts of one train: by source, properties that are arrays or plain values."""
    from karabo_bridge.serializer import serialize

    meta = {source: {"source": source, **stamped(train, time_s)} for source in data}
    return serialize({source: dict(values) for source, values in data.items()}, meta)


class Outlet:
    """One socket that serves, in a thread of its own."""

    def __init__(self, endpoint: str, pattern: Pattern = "REP", most: int = 1000, high_water: int = 1):
        """Serve at an endpoint, tcp://host:port with * for any free port.

        Parameters
        ----------
        most : messages that wait to be taken.
        high_water : messages that wait for each client in the socket itself, of PUSH.

        ValueError for another pattern, and where the endpoint cannot be had.
        """
        import zmq

        if pattern not in PATTERNS:
            raise ValueError(f"pattern {pattern}, expected one of {', '.join(PATTERNS)}: PUB loses trains unseen")
        self._zmq, self.pattern = zmq, pattern
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REP if pattern == "REP" else zmq.PUSH)
        self._socket.set_hwm(high_water)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise ValueError(f"{endpoint} cannot be served: {error}; choose another port") from error
        self.endpoint: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.dropped, self.sent = 0, 0
        """messages that nobody took in time; that were handed over"""
        self._most, self._waiting = most, deque[Sequence[Part]]()
        self._changed, self._closing = threading.Condition(), False
        self._asked = False
        self._thread = threading.Thread(target=self._serve, name=f"serve-{pattern}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, parts: Sequence[Part]) -> None:
        """Hand over a message; where too many wait, the oldest is dropped."""
        with self._changed:
            if len(self._waiting) >= self._most:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(parts)
            self._changed.notify()

    def close(self, linger: float = 1.0) -> int:
        """End, once all is taken or after `linger` [s]; how many messages nobody took."""
        until = time.monotonic() + linger
        while self._waiting and time.monotonic() < until:
            time.sleep(min(POLL, linger))
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._context.destroy(linger=int(linger * 1000))
        return len(self._waiting)

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(POLL)
                if self._closing:
                    return
                if not self._waiting:
                    continue
            if self._can_send():
                with self._changed:
                    parts = self._waiting.popleft()
                self._socket.send_multipart(parts, copy=False)
                self.sent += 1
                self._asked = False

    def _can_send(self) -> bool:
        if self.pattern == "PUSH":
            return bool(self._socket.poll(int(POLL * 1000), self._zmq.POLLOUT))
        if not self._asked and self._socket.poll(int(POLL * 1000), self._zmq.POLLIN):
            asked = self._socket.recv()
            if asked == b"next":
                self._asked = True
            else:  # as the reference server answers
                self._socket.send(b"Error: bad request " + asked)
        return self._asked


def plain(values: Sequence[Any], dtype: Any) -> np.ndarray:
    """A contiguous array of one property's values."""
    return np.ascontiguousarray(values, dtype=dtype)
