"""Where frames come from."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from screen.stream.frame import Frame, FrameId


class Source(Protocol):
    """Gives frames, train after train. Whatever a facility has can be one: docs/screening.md has an example.

    A class of your own is named on the command line as `module:Class?key=value&...`; it is called with the keys.

    Two attributes are optional, and set before the first frame is asked for, where they are there. `decided`: which
    frames are in the ledger already and need not be given again. `alarm`: a function that tells the operator a text.
    A third is read: `drains` is true of a source that, closed, still gives what has arrived, as nobody will send it
    again, and then ends.
    A method is optional: `again(ids)` gives frames that it gave before, one for each id; by it, copied hits that a
    kill cost are written after all.
    """

    name: str
    """`FrameId.source` of its frames, or what these begin with"""
    lossless: bool
    """whether it waits for us and gives what was not committed again: screening then never skips a frame"""

    def __iter__(self) -> Iterator[Sequence[Frame]]:
        """Trains, or as many frames as came together; an empty one where nothing came for a while.

        Ends where there is no more to come. What is no frame is one with a problem, not an exception: an exception
        ends screening.
        """

    def commit(self, ids: Sequence[FrameId]) -> None:
        """These are in the ledger, for good."""

    def close(self) -> None:
        """Give back sockets and files; from any thread, also while it is iterated, which then ends; more than once."""
