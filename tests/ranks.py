"""What the processes of tests/train/test_parallel.py do: they import this module."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

import train.descent
import train.fit
import train.models.late
import train.predict
from train.fit import fit
from train.parallel import share


class KilledError(Exception):
    """A process that dies in the middle of an epoch."""


def fit_in_double(*arguments: Any) -> None:
    """`fit` without dropout, of which every process has its own, and in float64: what is left is the sums' order."""
    with in_double():
        fit(*arguments)


def fit_until_the_second_dies(*arguments: Any) -> None:
    """The same, but the second process dies when it asks for its twelfth batch."""
    with in_double():
        network_input, left = train.descent.network_input, iter(range(11))

        def dying(*some: Any) -> torch.Tensor:
            if share().rank == 1 and next(left, None) is None:
                raise KilledError("the second process died")
            return network_input(*some)

        with patch.object(train.descent, "network_input", dying):
            fit(*arguments)


@contextmanager
def in_double() -> Iterator[None]:
    """Networks have weights and images in float64 and no dropout; losses stay float32."""
    network, network_input = train.fit.network, train.descent.network_input

    def double_input(*arguments: Any) -> torch.Tensor:
        return network_input(*arguments).double()

    with (
        patch.object(train.fit, "network", lambda *arguments: network(*arguments).double()),
        patch.object(train.descent, "network_input", double_input),
        patch.object(train.predict, "network_input", double_input),
        patch.object(train.models.late, "DROPOUT", 0.0),
    ):
        yield
