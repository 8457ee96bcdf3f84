"""Screening: source -> fold -> network -> policy -> ledger -> sinks."""

from screen.stream.status import Status

__all__ = ["Screening", "Status"]


class Screening:
    """One screening of a source. `run()` returns when the source ends, or after `stop()` from any thread."""

    def run(self) -> Status:
        """Screen to the end; how it stands then."""
        raise NotImplementedError

    def stop(self) -> None:
        """Decide what has arrived, take no more, and end."""
        raise NotImplementedError

    def status(self) -> Status:
        """How it stands, from any thread."""
        raise NotImplementedError
