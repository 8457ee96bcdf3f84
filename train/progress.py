"""A bar where a person watches."""

import sys
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def progress(steps: Iterable[T], description: str, total: int) -> Iterable[T]:
    """`steps`, under a bar on a terminal.

    tqdm is imported only there: a bare GPU node trains with numpy, scipy and torch alone.
    """
    if not sys.stderr.isatty():
        return steps
    from tqdm import tqdm

    return tqdm(steps, description, total, leave=False)
