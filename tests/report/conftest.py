"""Fixtures of these tests."""

from support.finished import finished_run

__all__ = ["finished_run"]
