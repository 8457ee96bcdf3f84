"""A ZeroMQ connection that outlives the other end.

That it is gone is told by the connection, at once; then there is a new socket where the old one would wait for ever for
the answer of a server that died. A silence is told, too.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

Pattern = Literal["REQ", "PULL", "SUB"]

LOOK_EVERY = 0.1
"""[s] between looks whether it was closed"""

DRAINED_IN, ANSWERED_IN, QUIET = 5.0, 1.0, 0.1
"""[s] in which what has arrived when it is closed is read, what was asked for comes, and nothing is taken to be left"""


class Connection:
    """Messages of a server, as they come."""

    def __init__(self, endpoint: str, pattern: Pattern, silence: float, alarm: Callable[[str], None]):
        """Connect when it is iterated. ModuleNotFoundError without pyzmq; ValueError for an address that is none."""
        import zmq

        if pattern not in ("REQ", "PULL", "SUB"):
            raise ValueError(f"{endpoint}: sockets are REQ, PULL or SUB, not {pattern}")
        self._zmq, self.endpoint, self._pattern = zmq, endpoint, pattern
        self._silence, self._alarm = silence, alarm
        self._context = zmq.Context()
        self._closed = threading.Event()
        try:
            with self._socket() as socket:
                socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise ValueError(f"{endpoint} is no address ({error}); expected tcp://host:port") from error

    def __iter__(self) -> Iterator[Sequence[bytes] | None]:
        """Messages as their parts; None where there is none for a while."""
        zmq = self._zmq
        socket, monitor = self._sockets()
        poller = self._poller(socket, monitor)
        asked, said, stands, since = False, False, False, time.monotonic()
        try:
            while not self._closed.is_set():
                if self._pattern == "REQ" and not asked:
                    asked = self._ask(socket)
                events = dict(poller.poll(int(LOOK_EVERY * 1000)))
                if socket in events and events[socket] & zmq.POLLIN:
                    parts = [frame.buffer for frame in socket.recv_multipart(copy=False)]
                    if said:
                        self._alarm(f"{self.endpoint} is back")
                    yield parts
                    asked, said, since = False, False, time.monotonic()
                    continue
                gone = False
                if monitor in events:
                    stands, gone = self._heard(monitor, stands)
                silent = time.monotonic() - since >= self._silence
                if not gone and not silent:
                    continue
                if not said:
                    self._alarm(f"{self.endpoint} {'is gone' if gone else f'is silent for {self._silence:g} s'}")
                said = True
                yield None
                since = time.monotonic()
                # What was asked of a server that died is never answered. One that lives is slow: with a new socket the
                # train that it answers with would be lost.
                if self._pattern == "REQ" and not stands:
                    _end(socket, monitor)
                    socket, monitor = self._sockets()
                    poller, asked = self._poller(socket, monitor), False
            yield from self._arrived(socket, asked and stands)
        finally:
            _end(socket, monitor)
            self._context.destroy(0)

    def _arrived(self, socket: Any, asked: bool) -> Iterator[Sequence[bytes]]:
        """What is here already, and what was asked for: whoever sends it will not send it again."""
        start = time.monotonic()
        while (left := DRAINED_IN - (time.monotonic() - start)) > 0:
            if not socket.poll(int(1000 * min(left, ANSWERED_IN if asked else QUIET))):
                return
            asked = False
            yield [frame.buffer for frame in socket.recv_multipart(copy=False)]
        self._alarm(f"{self.endpoint} goes on sending; what it sends from now on is not decided")

    def _ask(self, socket: Any) -> bool:
        """Whether it could be asked; not, as long as nobody is there."""
        try:
            socket.send(b"next", self._zmq.NOBLOCK)
        except self._zmq.Again:
            return False
        return True

    def _poller(self, socket: Any, monitor: Any) -> Any:
        poller = self._zmq.Poller()
        poller.register(socket, self._zmq.POLLIN)
        poller.register(monitor, self._zmq.POLLIN)
        return poller

    def _heard(self, monitor: Any, stands: bool) -> tuple[bool, bool]:
        """Whether the connection stands now, and whether it was lost meanwhile."""
        from zmq.utils.monitor import recv_monitor_message

        lost = False
        while monitor.poll(0):
            stands = recv_monitor_message(monitor)["event"] == self._zmq.EVENT_CONNECTED
            lost |= not stands
        return stands and not lost, lost

    def _sockets(self) -> tuple[Any, Any]:
        """A connected socket, and one that tells when the other end goes."""
        socket = self._socket()
        monitor = socket.get_monitor_socket(self._zmq.EVENT_CONNECTED | self._zmq.EVENT_DISCONNECTED)
        socket.connect(self.endpoint)
        return socket, monitor

    def close(self) -> None:
        """End it, from any thread; what has arrived is given, then its socket goes, where it is iterated."""
        self._closed.set()

    def _socket(self) -> Any:
        zmq = self._zmq
        socket = self._context.socket(getattr(zmq, self._pattern))
        socket.setsockopt(zmq.LINGER, 0)
        # Few wait in the socket: what waits there is neither counted nor seen.
        socket.set_hwm(1)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        # A machine that lost its power or its cable says nothing: the other end is asked whether it lives. It answers
        # behind what it is sending, and a train of a GB takes a second or more.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10_000)
        if self._pattern == "SUB":
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        return socket


def _end(socket: Any, monitor: Any) -> None:
    socket.disable_monitor()
    monitor.close(0)
    socket.close(0)
