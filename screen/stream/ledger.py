"""What became of every frame: each id exactly once, in order of arrival, whatever is killed meanwhile.

    run/ledger/000000.arrow ...   rows while screening runs (`screen.stream.pieces`), and after it, to go on from
    run/decisions.parquet         all of them, once screening has ended

| column | meaning |
| --- | --- |
| source, run, train, pulse | which frame; `screen.stream.frame.FrameId` |
| decision | keep; veto; missing: it did not come; unreadable: it came and is no frame; skipped: nobody looked at it |
| p_single | probability, by the network, that it is to be kept; empty where the network gave none |
| reason | of the decision |
| arrived, decided | seconds since 1970 |
| in_domain | whether it is like what the network was trained on; empty where that was not asked |

Only `veto` says that a frame can be thrown away: the network saw it, and it is below the threshold.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
from filelock import FileLock, Timeout

from frames.files import write_tables
from screen.stream.frame import FrameId
from screen.stream.pieces import ROWS, Pieces
from screen.stream.seen import Seen

Decision = Literal["keep", "veto", "missing", "unreadable", "skipped"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)

SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("run", pa.string(), nullable=False),
        pa.field("train", pa.int64(), nullable=False),
        pa.field("pulse", pa.int32(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("p_single", pa.float32()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("arrived", pa.float64(), nullable=False),
        pa.field("decided", pa.float64(), nullable=False),
        pa.field("in_domain", pa.bool_()),
    ]
)
"""Of the ledger's rows"""


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
    """Every id exactly once, in order of arrival; survives a kill. One process at a time may have a folder's."""

    def __init__(self, folder: Path | str, rows_per_piece: int = ROWS):
        """Open, or go on with, the ledger of a folder.

        BlockingIOError where another process has it; ValueError for a damaged one, or one of other columns; OSError.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / ".ledger.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise BlockingIOError(
                f"{self.folder} is being written to by another screening; stop that one, or choose another folder"
            ) from error
        self._seen, self._counts = Seen(), Counter[str]()
        try:
            self._pieces = Pieces(self.folder / "ledger", SCHEMA, rows_per_piece)
            for table in self._pieces.tables():
                self._go_on(table)
        except BaseException:
            self._lock.release()
            raise
        self.resumed = len(self._seen)
        """Frames that were in it when it was opened"""

    @property
    def torn(self) -> int:
        """Bytes that a killed process left of a batch it was writing, and that were cut off."""
        return self._pieces.torn

    def _go_on(self, table: pa.Table) -> None:
        for row in zip(*(table[name].to_pylist() for name in ("source", "run", "train", "pulse")), strict=True):
            if not self._seen.add(id := FrameId(*row)):
                raise ValueError(f"{self.folder / 'ledger'} has {id} twice; screen again into another folder")
        self._counts.update(table["decision"].to_pylist())

    def __len__(self) -> int:
        return len(self._seen)

    def append(self, records: Sequence[Record]) -> None:
        """Write records, which from then on outlive this process.

        ValueError where an id is there already, or twice among them; OSError where it cannot be written (a full disk).
        Of neither is anything in the ledger.
        """
        if not records:
            return
        ids = [record.id for record in records]
        if again := next((id for id in ids if id in self._seen), None):
            raise ValueError(f"{again} is in the ledger already; each frame is decided once")
        if len(set(ids)) < len(ids):
            raise ValueError(f"a frame twice among {len(ids)}, from {ids[0]} on; each is decided once")
        if unknown := {record.decision for record in records} - set(DECISIONS):
            raise ValueError(f"decisions {unknown}, expected some of {', '.join(DECISIONS)}")
        self._decisions_file.unlink(missing_ok=True)  # it would not be all of them
        self._pieces.append(
            [
                (
                    id.source,
                    id.run,
                    id.train,
                    id.pulse,
                    record.decision,
                    None if math.isnan(record.p_single) else record.p_single,
                    record.reason,
                    record.arrived,
                    record.decided,
                    record.in_domain,
                )
                for id, record in zip(ids, records, strict=True)
            ]
        )
        for id in ids:
            self._seen.add(id)
        self._counts.update(record.decision for record in records)

    def counts(self) -> dict[Decision, int]:
        """How many frames of each decision; they sum to the frames that arrived."""
        return {decision: self._counts[decision] for decision in DECISIONS}

    def seen(self, id: FrameId) -> bool:
        """Whether a frame is in the ledger."""
        return id in self._seen

    @property
    def _decisions_file(self) -> Path:
        return self.folder / "decisions.parquet"

    def close(self) -> Path:
        """Write decisions.parquet, atomically, and say where it is. The ledger can be opened again, to go on."""
        try:
            self._pieces.close()
            write_tables(self._decisions_file, SCHEMA, len(self), self._pieces.tables())
        finally:
            self._lock.release()
        return self._decisions_file

    def leave(self) -> None:
        """Let it be as it was found: what is in it stays, and decisions.parquet is written by who goes on."""
        try:
            self._pieces.close()
        finally:
            self._lock.release()


def records_of(table: pa.Table) -> Iterator[Record]:
    """The records of rows of a ledger, or of decisions.parquet."""
    for row in table.to_pylist():
        id = FrameId(row["source"], row["run"], row["train"], row["pulse"])
        p_single = math.nan if row["p_single"] is None else row["p_single"]
        yield Record(id, row["decision"], p_single, row["reason"], row["arrived"], row["decided"], row["in_domain"])
