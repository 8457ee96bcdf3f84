"""What is made of an answer: kept or vetoed, and what where none comes.

A frame fails open: where the network gives no finite number, or none in time, it is kept. Of the frames that would be
vetoed a random share is kept all the same, or nobody would ever learn what the network throws away; which ones hangs on
their id and the seed alone, so that a replay keeps the same.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

from screen.stream.frame import FrameId
from screen.stream.ledger import Decision

WhenFull = Literal["block", "skip-oldest"]

RANDOM = "random share of vetoes"
"""Reason of a frame that is kept below the threshold"""

_STEP, _MASK = 0x9E3779B97F4A7C15, 2**64 - 1
_PULSES = 2**40
"""Between neighbouring pulses' numbers: more than there are trains"""


@dataclass(frozen=True)
class Policy:
    """How screening decides."""

    threshold: float
    """a frame is kept from this probability on"""
    kept_share: float = 0.01
    """of the frames below it, that is kept at random"""
    seed: int = 0
    when_full: WhenFull = "block"
    """what happens where frames come faster than they are answered: the source waits, or the oldest are skipped"""
    deadline: float | None = None
    """after arrival, after which an unanswered frame is kept [s]; None: it waits"""
    looked_at: float = 0.125
    """share of the frames of which is found whether they are like what the network was trained on"""

    def __post_init__(self) -> None:
        for name in ("threshold", "kept_share", "looked_at"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is {value}, expected a number from 0 to 1")
        if self.deadline is not None and not self.deadline > 0:
            raise ValueError(f"deadline is {self.deadline} s, expected more than 0")

    def decide(self, id: FrameId, p: float) -> tuple[Decision, str]:
        """Of a frame with this probability to be kept; NaN where there is none."""
        if not math.isfinite(p):
            return "keep", "no finite answer"
        if p >= self.threshold:
            return "keep", ""
        if self.kept_share and uniform(id, self.seed) < self.kept_share:
            return "keep", RANDOM
        return "veto", ""

    def looks(self, id: FrameId) -> bool:
        """Whether this frame is held against what the network was trained on."""
        return self.looked_at >= 1 or (self.looked_at > 0 and uniform(id, ~self.seed) < self.looked_at)


def uniform(id: FrameId, seed: int) -> float:
    """A number in [0, 1) that hangs on the id and the seed alone.

    Train and pulse, mixed by the finaliser of splitmix64 (Steele, Lea & Flood, OOPSLA 2014), whose 53 highest bits are
    the number; a digest of all else is where it starts.
    """
    z = (_start(id.source, id.run, seed) + _STEP * (id.train + _PULSES * id.pulse)) & _MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
    return ((z ^ z >> 31) >> 11) / 2**53


@lru_cache(1024)
def _start(source: str, run: str, seed: int) -> int:
    text = f"{seed}\0{source}\0{run}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
