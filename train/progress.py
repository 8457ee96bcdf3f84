"""A bar where a person watches."""

import sys
from collections.abc import Iterable
from typing import TypeVar

import torch.distributed

T = TypeVar("T")


def progress(steps: Iterable[T], description: str, total: int) -> Iterable[T]:
    """`steps`, under a bar on a terminal; of processes that train together, the first one's alone.

    tqdm is imported only there: a bare GPU node trains with numpy, scipy and torch alone.
    """
    if not sys.stderr.isatty() or (torch.distributed.is_initialized() and torch.distributed.get_rank() > 0):
        return steps
    from tqdm import tqdm

    return tqdm(steps, description, total, leave=False)
