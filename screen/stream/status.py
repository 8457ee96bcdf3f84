"""What an operator is told: how screening stands at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

N_BINS = 20
"""Of the histogram of probabilities, from 0 to 1"""


@dataclass(frozen=True)
class Status:
    """How screening stands. What is of the last frames is of the last `window` that were answered."""

    time: float
    """[s since 1970]"""
    running: bool
    source: str
    threshold: float
    """a frame is kept from this probability on"""
    counts: Mapping[str, int]
    """of each decision, since the ledger began; they sum to the frames that arrived"""
    window: int
    """frames that what follows is of, at most `screen.stream.counting.WINDOW`"""
    hit_rate: float
    """share of the last frames whose probability is at least the threshold; NaN before the first"""
    share_kept: float
    """of the last frames; NaN before the first"""
    histogram: tuple[int, ...]
    """of the last probabilities, `N_BINS` of equal width"""
    frames_per_s: float
    """decided, over the last seconds"""
    queue: int
    """trains that wait to be answered"""
    delay_p50_ms: float
    """from arrival to decision, of the last frames; NaN before the first"""
    delay_p99_ms: float
    outside: float
    """share of the last frames asked of that are unlike what the network was trained on; NaN where none was asked"""
    repeated: int
    """frames that came again, and were not decided again"""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """batches that display sinks were too slow for, by sink"""
    alarms: tuple[str, ...] = ()
    """what needs a look, newest last: a dead source, a sink that fails, frames of the wrong shape"""
