"""Copied hits that a kill cost: frames that the ledger says are kept, and that lie in no file of hits."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from screen.network.asked import Asking
from screen.sinks.decisions import decisions_of
from screen.sinks.hits import CopiedHits
from screen.stream.ledger import Record, records_of
from screen.stream.sources import Source

TOGETHER = 32
"""Frames that are read again at once"""


def lost(ledger: Path, hits: Path) -> list[Record]:
    """Of the frames that a run's ledger says are kept, those in no file of its folder of hits, in order.

    ValueError for a file of hits that is damaged.
    """
    written: set[str] = set()
    for path in sorted(hits.glob("[0-9]*.cxi")):
        try:
            with h5py.File(path) as file:
                written |= {text.decode() for text in file["entry_1/experiment_identifier"]}
        except (OSError, KeyError) as error:
            raise ValueError(f"{path} is no file of hits, or is damaged ({error}); move it away") from error
    decisions = decisions_of(ledger)
    kept = decisions.filter(np.asarray(decisions["decision"]) == "keep")
    return [record for record in records_of(kept) if str(record.id) not in written]


def write_again(records: Sequence[Record], source: Source, asking: Asking, hits: CopiedHits) -> int:
    """Read frames again and write them to files of hits, whole files; how many could not be.

    Of a source that has no `again`, as a stream, none can.
    """
    again = getattr(source, "again", None)
    if again is None:
        return len(records)
    written = 0
    for start in range(0, len(records), TOGETHER):
        some = records[start : start + TOGETHER]
        images = [frame.image for frame in again([record.id for record in some])]
        for record, image in zip(some, images, strict=True):
            if image is None or asking.fits(image) is not None:
                continue
            if hits.stored:
                hits.decided([record], image[None])
                written += 1
            elif (seen := asking.predict([image], [False])).problems[0] is None:
                hits.decided([record], seen.images)
                written += 1
    hits.close()
    return len(records) - written


def told(n: int, n_lost: int, hits: Path) -> Iterator[str]:
    """What an operator is to know of n frames in no file, of which `n_lost` still are."""
    if n > n_lost:
        yield f"{n - n_lost} frames that were kept before and lay in no file of {hits} were read again and written"
    if n_lost:
        yield (
            f"{n_lost} frames that were kept before lie in no file of {hits}, and cannot be read again (a kill, or no "
            "answer in time); the ledger names them"
        )
