"""Fixtures of these tests."""

from support.toy import one_plain_thread, toy

__all__ = ["one_plain_thread", "toy"]
