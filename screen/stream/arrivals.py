"""Trains that came and wait for an answer: where they come faster, the source waits or the oldest are skipped."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from screen.stream.frame import Frame
from screen.stream.policy import WhenFull


@dataclass(slots=True)
class Train:
    """Frames that came together."""

    frames: Sequence[Frame]
    arrived: float
    """[s since 1970]"""
    skipped: bool = False
    """without images, to be recorded alone"""


class Arrivals:
    """A queue of trains in the order in which they came, bounded by trains and by bytes."""

    def __init__(self, n_trains: int, when_full: WhenFull, n_bytes: int):
        self._trains: deque[Train] = deque()
        self._n_whole, self._bytes, self._first_whole = 0, 0, 0
        self._most, self._most_bytes, self._when_full = n_trains, n_bytes, when_full
        self._condition = threading.Condition()
        self._ended = False

    def __len__(self) -> int:
        return self._n_whole

    def put(self, frames: Sequence[Frame]) -> None:
        """Take a train; waits while the queue is full, where nothing may be skipped."""
        train, size = Train(frames, time.time()), _bytes(frames)
        with self._condition:
            while (
                self._n_whole
                and not self._ended
                and (self._n_whole >= self._most or self._bytes + size > self._most_bytes)
            ):
                if self._when_full == "block":
                    self._condition.wait()
                else:
                    self._skip_oldest()
            self._trains.append(train)
            self._n_whole += 1
            self._bytes += size
            self._condition.notify_all()

    def _skip_oldest(self) -> None:
        """Its images go, its frames stay in their place."""
        at = next(at for at, train in enumerate(self._trains) if not train.skipped)
        train = self._trains[at]
        self._bytes -= _bytes(train.frames)
        self._n_whole -= 1
        bare = [replace(frame, image=None) for frame in train.frames]
        self._trains[at] = Train(bare, train.arrived, skipped=True)

    def get(self, n_frames: int) -> list[Train]:
        """The oldest trains: as many as came meanwhile, of `n_frames` frames together or of one train with more.

        Waits for one; nothing once all were given after the end.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._trains or self._ended)
            taken: list[Train] = []
            n = 0
            while self._trains and (not taken or n + len(self._trains[0].frames) <= n_frames):
                train = self._trains.popleft()
                taken.append(train)
                n += len(train.frames)
                if not train.skipped:
                    self._n_whole -= 1
                    self._bytes -= _bytes(train.frames)
            self._condition.notify_all()
            return taken

    def end(self) -> None:
        """There is no more to come."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()


def _bytes(frames: Sequence[Frame]) -> int:
    return sum(frame.image.nbytes for frame in frames if frame.image is not None)
