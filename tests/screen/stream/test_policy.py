"""Which frames chance takes: evenly, by their id and the seed alone."""

import itertools

import numpy as np

from screen.stream.frame import FrameId
from screen.stream.policy import Policy, uniform


def test_chance_is_even_and_hangs_on_each_part_of_the_id():
    """Of trains, and of pulses of a train: shares of tenths within 4.5 standard deviations, neighbours independent."""
    trains = [FrameId("det", "r1", train, 0) for train in range(20_000)]
    pulses = [FrameId("det", "r1", 10**9 + train, pulse) for train in range(100) for pulse in range(200)]
    found = {}
    for name, ids in (
        ("trains", trains),
        ("pulses", pulses),
        ("late", [FrameId("det", "r1", 17 * 10**17 + n, 0) for n in range(20_000)]),
    ):
        values = np.array([uniform(id, 3) for id in ids])
        shares, _ = np.histogram(values, 10, (0, 1))
        assert (abs(shares - 2000) < 4.5 * np.sqrt(2000 * 0.9)).all()
        for lag in (1, 2, 200):
            assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 4.5 / np.sqrt(20_000)
        found[name] = values
    others = (
        [uniform(id, 4) for id in trains],
        [uniform(FrameId("det", "r2", id.train, 0), 3) for id in trains],
        [uniform(FrameId("other", "r1", id.train, 0), 3) for id in trains],
        [uniform(FrameId("det", "r1", id.train, 1), 3) for id in trains],
        [uniform(id, ~3) for id in trains],
    )
    for one, other in itertools.combinations((found["trains"], *others), 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / np.sqrt(20_000)
    assert [uniform(id, 3) for id in trains[:9]] == found["trains"][:9].tolist()


def test_a_share_is_looked_at():
    ids = [FrameId("det", "r1", train, 0) for train in range(8000)]
    for share in (0.0, 0.125, 1.0):
        n = sum(Policy(0.5, looked_at=share).looks(id) for id in ids)
        assert abs(n - 8000 * share) <= 4.5 * np.sqrt(8000 * share * (1 - share))
