"""What the processes of tests/train/loop/test_parallel.py do: they import this module."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

import train.inference.predict
import train.loop.training_loop
import train.models.published.late
import train.tasks.classify
from train.loop.parallel import share
from train.tasks.classify import fit


class KilledError(Exception):
    """A process that dies in the middle of an epoch."""


def fit_in_double(*arguments: Any) -> None:
    """`fit` without dropout, of which every process has its own, and in float64: what is left is the sums' order."""
    with in_double():
        fit(*arguments)


def fit_until_the_second_dies(*arguments: Any) -> None:
    """The same, but the second process dies when it asks for its twelfth batch."""
    with in_double():
        network_input, left = train.loop.training_loop.network_input, iter(range(11))

        def dying(*some: Any) -> torch.Tensor:
            if share().rank == 1 and next(left, None) is None:
                raise KilledError("the second process died")
            return network_input(*some)

        with patch.object(train.loop.training_loop, "network_input", dying):
            fit(*arguments)


@contextmanager
def in_double() -> Iterator[None]:
    """Networks have weights and images in float64 and no dropout; losses stay float32."""
    network, network_input = train.tasks.classify.network, train.loop.training_loop.network_input

    def double_input(*arguments: Any) -> torch.Tensor:
        return network_input(*arguments).double()

    with (
        patch.object(train.tasks.classify, "network", lambda *arguments: network(*arguments).double()),
        patch.object(train.loop.training_loop, "network_input", double_input),
        patch.object(train.inference.predict, "network_input", double_input),
        patch.object(train.models.published.late, "DROPOUT", 0.0),
    ):
        yield
