"""What decisions are handed to: files of hits, a bridge back to the beamline, metrics, a page.

The ledger is no sink: every record is in it before any sink hears of it, so whatever a sink does, none is lost.
"""

from collections.abc import Sequence
from typing import Protocol

from numpy.typing import NDArray

from screen.stream.ledger import Record


class Sink(Protocol):
    """Hears of every decision, in order, in a thread of its own.

    Two attributes are optional. `blocks` (default False): screening waits while its queue is full, as files of hits
    want it; without, batches are dropped for it and counted. `stored` (default False): it is handed frames as the
    source gave them, not as the network saw them.
    """

    def decided(self, records: Sequence[Record], images: NDArray | None) -> None:
        """Take a batch.

        Parameters
        ----------
        images : (n, ny, nx) float32, as the network saw them, of as many records: NaN where a frame had none. For a
            sink of `stored` frames (n, ...) as the source gave them, 0 where a frame had none. None where none had one.
        """

    def close(self) -> None:
        """There is no more to come; what was taken is to be complete."""
