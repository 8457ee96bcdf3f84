"""Names that nobody knows, in messages."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """`; did you mean 'noisy'?` for a name that is nearly one of those known, else nothing."""
    close = difflib.get_close_matches(str(name), [str(one) for one in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
