"""CPU threads where other programs may want the cores too: how many a training takes, and networks that only answer.

torch's threads wait for each other at every operation. Where another process has the core of one of them all stand
still until it gets it back, and two threads train many times slower than one. Nothing tells that beforehand as well as
trying it.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

MORE = 1.2
"""How many times faster a larger number of threads must be to be taken: they take cores from others."""

STILL = 1.05
"""How many times faster than a smaller number the present one must be to be kept: noise must not turn it to and fro."""

CHANGE = 1.3
"""A rate that is so many times what it was, or what it was over that, asks for a new measurement."""

WINDOW_S, TRIAL_S, AGAIN_S = 5.0, 0.4, 60.0
"""Over how long a rate is taken, how long each number is tried, and how long a choice holds, whatever the rate is."""

SHARE, SHARE_OF_CHANGE = 0.02, 0.1
"""of the time that measuring may take; where the rate changed"""

BATCHES = 16
"""at work side by side, at most: each has activations of its own"""


def candidates(most: int) -> list[int]:
    """Numbers of threads to try: 1, 2, 4, ... and `most`."""
    return [*(2**k for k in range((most - 1).bit_length())), most]


def choose(rates: Mapping[int, float], now: int) -> int:
    """The number of threads to take, from the rate with each that was tried, where `now` are at work.

    The fewest, unless more are faster by enough to be worth their cores: to go on with them less is asked than to take
    them.
    """
    chosen, *larger = sorted(rates)
    for n in larger:
        if rates[n] > (STILL if n <= now else MORE) * rates[chosen]:
            chosen = n
    return chosen


class Threads:
    """The threads of a training on a CPU: measured at its start, when its rate changes, and every minute or so.

    Parameters
    ----------
    most :     that it may take. Where that is one nothing is measured.
    measured : False takes `most` all the time.
    set_number, clock : torch's and the machine's, unless it is a test.
    """

    def __init__(
        self,
        most: int,
        measured: bool = True,
        set_number: Callable[[int], object] = torch.set_num_threads,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.most = most
        self.measured = measured and most > 1
        self.number = 1 if self.measured else most
        self.used: set[int] = set()
        """every number of threads that a step was taken with"""
        self._set_number = set_number
        self._clock = clock
        self._again_at = self._not_before = self._last = -float("inf")
        self._images_of_step, self._images, self._seconds = 0, 0, 0.0  # of the window so far
        self._rate: float | None = None  # of the first window after the choice

    def start_epoch(self) -> None:
        """What was done since the last step, such as validation, is not its time."""
        self._images_of_step, self._last = 0, self._clock()
        if self.measured:
            self._set_number(self.number)

    def end_epoch(self) -> None:
        """What follows the steps may take all threads: it does not wait as they do."""
        if self.measured:
            self._set_number(self.most)

    def before_step(self, n_images: int, trial: Callable[[], object]) -> None:
        """Take as many threads as are best now; `trial` does the work of the step to come, and leaves no trace."""
        if self.measured and self._is_due():
            self._measure(n_images, trial)
        self._images_of_step = n_images
        self.used.add(self.number)

    def _is_due(self) -> bool:
        """Whether to measure; takes in that one step more is done."""
        now = self._clock()
        self._seconds += now - self._last
        self._images += self._images_of_step
        self._last = now
        if now >= self._again_at:
            return True
        if self._seconds < WINDOW_S or now < self._not_before:
            return False
        rate, before = self._images / self._seconds, self._rate
        self._images, self._seconds = 0, 0.0
        if before is None:
            self._rate = rate
            return False
        return not before / CHANGE < rate < before * CHANGE

    def _measure(self, n_images: int, trial: Callable[[], object]) -> None:
        """Try every number of threads, and choose."""
        started, is_first = self._clock(), self._again_at == -float("inf")
        rates: dict[int, float] = {}
        for n in candidates(self.most):
            self._set_number(n)
            seconds = self._seconds_of(trial, 0.0)  # starts the threads, and lets libraries get ready for them
            if seconds < TRIAL_S or n_images / seconds > 0.5 * max(rates.values(), default=0.0):
                seconds = self._seconds_of(trial, TRIAL_S)
            rates[n] = n_images / seconds
            if rates[n] < 0.5 * max(rates.values()):
                break  # more would wait longer still
        before, self.number = self.number, choose(rates, self.number)
        self._set_number(self.number)
        logger.log(
            logging.INFO if is_first or self.number != before else logging.DEBUG,
            "threads: %d of %d, as it is fastest now (images/s: %s)",
            *(self.number, self.most),
            ", ".join(f"{rate:.0f} with {n}" for n, rate in rates.items()),
        )
        self._last = self._clock()
        self._not_before = self._last + (self._last - started) / SHARE_OF_CHANGE
        self._again_at = self._last + max(AGAIN_S, (self._last - started) / SHARE)
        self._images, self._seconds, self._rate = 0, 0.0, None

    def _seconds_of(self, trial: Callable[[], object], at_least: float) -> float:
        """Mean over as many as take so long together, one or more."""
        started, n = self._clock(), 0
        while (taken := self._clock() - started) < at_least or n == 0:
            trial()
            n += 1
        return taken / n


def inference_batch_size(device: torch.device) -> int:
    """Patterns of a batch that is only answered: a GPU wants many, on a CPU several batches are at work at once."""
    return 64 if device.type == "cpu" else 256


def side_by_side(function: Callable[[T], R], items: Iterable[T], device: torch.device) -> Iterator[R]:
    """function(item) of each, in their order; on a CPU as many at once as torch has threads, a single one for each.

    To the bit what one thread makes of them, however many there are, and none waits for another: where a core is taken
    by another process, its item takes longer and the others go on. Gradients are not kept.
    """
    before = torch.get_num_threads()
    if before == 1 or device.type != "cpu":
        yield from map(function, items)
        return
    n = min(before, BATCHES)

    @torch.inference_mode()
    def alone(item: T) -> R:
        return function(item)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(n, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            coming: deque[Future[R]] = deque()
            for item in items:
                coming.append(pool.submit(alone, item))
                if len(coming) == n:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
    finally:
        torch.set_num_threads(before)
