"""Decisions back to the beamline over a karabo bridge, protocol 2.2: any client of Karabo's reads them.

A message a train, or several where a train is decided in parts; each property has a value for every frame of it.

| property | values |
| --- | --- |
| data.pulseId | uint64; 2⁶⁴ − 1 where the whole train is meant |
| data.keep | uint8, 1 where the frame is kept |
| data.decision | uint8, which of `screen.stream.ledger.DECISIONS`, in that order |
| data.pSingle | float32, NaN where the network gave none |
| data.delayMs | float32, from arrival to decision |
| detector, run | whose frames they are |
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from numpy.typing import NDArray

from screen.sinks.outlet import Outlet, Pattern, message, plain
from screen.stream.ledger import DECISIONS, Record

SOURCE = "SPI_SCREEN/SINGLEHIT/DECISIONS:output"
"""Karabo's name of us, where none is given"""
CODES = {decision: code for code, decision in enumerate(DECISIONS)}


class Bridge:
    """A sink that serves decisions; a client that is absent or slow costs trains, which are counted, and no time."""

    def __init__(self, endpoint: str, pattern: Pattern = "REP", *, source: str = SOURCE, trains: int = 1000):
        """ValueError where the endpoint cannot be served; ModuleNotFoundError without karabo-bridge."""
        self._outlet, self._source = Outlet(endpoint, pattern, trains), source

    @property
    def endpoint(self) -> str:
        """Where it is served."""
        return self._outlet.endpoint

    @property
    def dropped(self) -> int:
        """Messages that nobody took in time."""
        return self._outlet.dropped

    def decided(self, records: Sequence[Record], images: NDArray | None) -> None:
        """Serve a message a train."""
        for train in trains_of(records):
            self._outlet.put(message(train[0].id.train, train[-1].decided, {self._source: properties(train)}))

    def close(self) -> None:
        """End; a client has a second to take what waits."""
        self._outlet.close()


def trains_of(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Runs of records of one train."""
    for _, train in groupby(records, lambda record: (record.id.source, record.id.run, record.id.train)):
        yield list(train)


def properties(train: Sequence[Record]) -> dict[str, object]:
    """What is told of the frames of one train; see above."""
    return {
        "data.pulseId": plain([record.id.pulse for record in train], "i8").view("u8"),
        "data.keep": plain([record.decision == "keep" for record in train], "u1"),
        "data.decision": plain([CODES[record.decision] for record in train], "u1"),
        "data.pSingle": plain([record.p_single for record in train], "f4"),
        "data.delayMs": plain([1e3 * (record.decided - record.arrived) for record in train], "f4"),
        "detector": train[0].id.source,
        "run": train[0].id.run,
    }
