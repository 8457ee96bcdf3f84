"""Ctrl-C that is not lost: Python drops any error, this one too, that comes while it takes an object apart."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def kept() -> Iterator[None]:
    """What was dropped so is raised again in the next line of what was at work, and nothing is said of it.

    While h5py writes a file most interrupts are dropped: they wait until its compiled code returns, and the first step
    of Python's own is then the end of an object.
    """
    before = sys.unraisablehook

    def hook(dropped: Any) -> None:
        if isinstance(dropped.exc_value, KeyboardInterrupt):
            _raise_in(sys._getframe(1))
        else:
            before(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _raise_in(frame: FrameType | None) -> None:
    """Interrupt the first of a frame and of those that called it that comes to another line."""

    def again(frame: FrameType, event: str, argument: object) -> None:
        sys.settrace(None)
        raise KeyboardInterrupt

    while frame is not None:
        frame.f_trace = again
        frame = frame.f_back
    sys.settrace(lambda frame, event, argument: None)  # of functions that are called meanwhile none
