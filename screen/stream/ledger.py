"""What became of every frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from screen.stream.frame import FrameId

Decision = Literal["keep", "veto", "missing", "unreadable", "skipped"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(slots=True)
class Record:
    """What became of one frame, and why."""

    id: FrameId
    decision: Decision
    p_single: float
    """probability, by the network, that the frame is to be kept; NaN where it gave none"""
    reason: str
    """of the decision, in a few words: what the policy says, or the problem of the frame"""
    arrived: float
    """[s since 1970]"""
    decided: float
    """[s since 1970]"""
    in_domain: bool | None
    """whether the frame is like what the network was trained on; None where that was not asked"""


class Ledger:
    """Every id exactly once, in order of arrival; survives a kill."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    def append(self, records: Sequence[Record]) -> None:
        """Write records, which are then safe from the end of this process; ValueError where an id is there already."""
        raise NotImplementedError

    def counts(self) -> dict[Decision, int]:
        """How many frames of each decision; they sum to the frames that arrived."""
        raise NotImplementedError

    def seen(self, id: FrameId) -> bool:
        """Whether a frame is in the ledger."""
        raise NotImplementedError

    def close(self) -> Path:
        """Write decisions.parquet, atomically, and say where it is."""
        raise NotImplementedError
