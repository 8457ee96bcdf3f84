"""What a simulated beamline sends, and when: trains of frames, jittered, some of them poisoned, some never sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Poison = Literal["not finite", "wrong shape", "no frames", "never sent"]
POISONS: tuple[Poison, ...] = get_args(Poison)
FIRST_TRAIN = 10_000


@dataclass(frozen=True)
class Plan:
    """How a beamline runs. The same seed sends the same, at the same moments."""

    rate: float
    """frames per second, on average outside of pauses"""
    pulses: int = 32
    """frames a train"""
    n_frames: int = 10_000
    """rounded up to whole trains"""
    jitter: float = 0.1
    """standard deviation of a train's moment, in periods of trains"""
    poisoned: float = 0.0
    """share of trains that are poisoned, each in one of four ways"""
    pause_every: float = 0.0
    """[s] of running between pauses; 0: none"""
    pause: float = 0.0
    """[s]"""
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.pulses > 0 and self.n_frames > 0):
            raise ValueError(
                f"rate {self.rate}, pulses {self.pulses}, frames {self.n_frames}: each is expected to be more than 0"
            )
        if not 0 <= self.poisoned <= 1 or min(self.jitter, self.pause_every, self.pause) < 0:
            raise ValueError("a share of poisoned trains is from 0 to 1; jitter and pauses are not below 0")

    @property
    def n_trains(self) -> int:
        """Trains, sent or not."""
        return -(-self.n_frames // self.pulses)


@dataclass(frozen=True)
class Train:
    """One train as it is sent."""

    id: int
    due: float
    """[s] after the beginning"""
    rows: NDArray[np.int64]
    """(pulses,) of the dataset's patterns"""
    poison: Poison | None
    victim: int
    """pulse that is poisoned, of `not finite`"""


def trains(plan: Plan, rows: NDArray[np.int64]) -> Iterator[Train]:
    """Trains of these rows, again from the first where they are too few; in order, whatever the jitter."""
    generator = np.random.default_rng(plan.seed)
    period = plan.pulses / plan.rate
    late = 0.0
    for n in range(plan.n_trains):
        at = n * period + plan.jitter * period * generator.normal()
        if plan.pause_every:
            at += int(n * period / plan.pause_every) * plan.pause
        late = max(late, at, 0.0)
        kind = POISONS[generator.integers(len(POISONS))] if generator.random() < plan.poisoned else None
        these = rows[(n * plan.pulses + np.arange(plan.pulses)) % len(rows)]
        yield Train(FIRST_TRAIN + n, late, these, kind, int(generator.integers(plan.pulses)))


def images_of(train: Train, patterns: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """What is sent of a train with patterns (pulses, ny, nx); None where there are no frames in it."""
    if train.poison in ("no frames", "never sent"):
        return None
    if train.poison == "wrong shape":
        return np.ascontiguousarray(patterns[:, :-1, :])
    if train.poison == "not finite":
        patterns = patterns.copy()
        patterns[train.victim, 0, :] = np.nan
    return patterns
