"""Ctrl-C ends what it is sent to, also where Python drops errors."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from frames.interrupts import kept

ROOT = Path(__file__).resolve().parents[2]

BUSY = """
import sys, time
from frames.interrupts import kept

class Slow:
    def __del__(self):
        time.sleep(0.3)

def work():
    print("ready", flush=True)
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        Slow()

try:
    {run}
except KeyboardInterrupt:
    sys.exit(130)
"""
"""All of its time goes into taking objects apart."""


def interrupted(run: str) -> tuple[int, str, float]:
    """Exit status, what is said, and how long it took to end."""
    started = subprocess.Popen(
        [sys.executable, "-c", BUSY.format(run=run)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    time.sleep(0.1)
    before = time.monotonic()
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    return started.returncode, said, time.monotonic() - before


def test_an_interrupt_that_python_drops_comes_again() -> None:
    status, said, took = interrupted("with kept(): work()")
    assert (status, said) == (130, "")
    assert took < 2.5  # it would have gone on for longer


def test_without_that_it_is_lost() -> None:
    """So the test above can fail; if Python should keep them one day, this is not needed any more."""
    status, said, _ = interrupted("work()")
    assert status == 0
    assert "Exception ignored in" in said


def test_other_errors_are_told_as_before(capsys: pytest.CaptureFixture) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("here")

    told = []
    before = sys.unraisablehook
    sys.unraisablehook = told.append
    try:
        with kept():
            Broken()
        assert [str(one.exc_value) for one in told] == ["here"]
        assert sys.unraisablehook == told.append
    finally:
        sys.unraisablehook = before
