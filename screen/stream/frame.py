"""One frame on its way through screening, and the name that it has in the ledger."""

from dataclasses import dataclass

from numpy.typing import NDArray

NO_PULSE = -1
"""Pulse of the one record that stands for a whole train of which nothing came"""


@dataclass(frozen=True, order=True, slots=True)
class FrameId:
    """Which frame: the key of the ledger, in which each is there once."""

    source: str
    """what recorded it: a detector, a folder, a channel"""
    run: str
    """of the source; a file's name below its folder; empty where a stream does not say"""
    train: int
    """or the number of the frame in its file, from 0"""
    pulse: int
    """in the train; 0 where trains have one, NO_PULSE where a whole train is meant"""

    def __str__(self) -> str:
        return f"{self.source}:{self.run}:{self.train}:{self.pulse}"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as a source gives it."""

    id: FrameId
    image: NDArray | None
    """(modules, slow, fast) or (ny, nx), values as they were recorded; None where there is none, as `problem` says"""
    timestamp: float
    """when it was recorded, as its source says, else when it arrived [s since 1970]"""
    problem: str | None = None
    """why there is no image, beginning with `missing` or `unreadable`; None where there is one"""
