"""Fixtures of these tests."""

from support.finished import finished_run, judged_run

__all__ = ["finished_run", "judged_run"]
