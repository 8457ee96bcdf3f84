"""What screening takes beside the network, and how long a frame waits; a JSON line each.

`transport`: frames of 128 x 128 per second from a source in memory to the ledger with a network that does nothing, in
trains of 32 and one by one; the competitors are the goals, 10,000 and 2,500 frames/s. `screening`: frames per second
with a network of ours, against that network by itself in the same run, batch after batch from memory. `delay`: from
arrival to decision at 120 Hz, against a pulse's 8.3 ms.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from bench.setting import report
from frames.targets import names, shot_targets
from screen.network.asked import Asking
from screen.network.networks import Network, load_network
from screen.stream.frame import Frame, FrameId
from screen.stream.ledger import Ledger, records_of
from screen.stream.policy import Policy
from screen.stream.screening import BATCH, Screening

SHAPE = 128, 128
RNG = np.random.default_rng(0)
IMAGES = RNG.poisson(0.05, (256, *SHAPE)).astype(np.float32)


class Memory:
    """Trains from memory, as fast as they are taken or at a rate."""

    name, lossless = "memory", True

    def __init__(self, n_trains: int, n_pulses: int, rate: float | None = None):
        self.n_trains, self.n_pulses, self.rate = n_trains, n_pulses, rate

    def __iter__(self):
        start = time.perf_counter()
        for train in range(self.n_trains):
            if self.rate:
                time.sleep(max(0.0, start + train / self.rate - time.perf_counter()))
            first = train * self.n_pulses
            yield [
                Frame(FrameId("memory", "r", train, pulse), IMAGES[(first + pulse) % len(IMAGES)], 0.0)
                for pulse in range(self.n_pulses)
            ]

    def commit(self, ids):
        pass

    def close(self):
        pass


def screened(source: Memory, network: Network, looked_at: float = 0.125) -> tuple[float, np.ndarray]:
    """Frames per second, and the delays of all [s]."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(folder)
        policy = Policy(0.5, looked_at=looked_at)
        screening = Screening(source, Asking(network), policy, ledger)
        start = time.perf_counter()
        screening.run()
        taken = time.perf_counter() - start
        from frames.files import read_table

        delays = [
            record.decided - record.arrived for record in records_of(read_table(Path(folder) / "decisions.parquet"))
        ]
    return source.n_trains * source.n_pulses / taken, np.array(delays)


def trained(name: str) -> Network:
    """A network of ours with random weights."""
    import torch

    from train.config.recipe import Recipe
    from train.export import Answer, to_onnx
    from train.loop.checkpoint import Description
    from train.loop.checkpoint import network as built
    from train.models.registry import input_for

    targets = shot_targets(("a", "b"), (1, 2, 3, 4))
    recipe = Recipe(input_transform=input_for(name))
    description = Description(name, targets, SHAPE, recipe, 0, "benchmark", "", "")
    model = built(description, torch.device("cpu")).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(to_onnx(Answer(model, recipe.input_transform, names(targets)).eval(), description))
        return load_network(path)


if __name__ == "__main__":
    import sys

    sys.setswitchinterval(5e-4)
    nothing = Network("nothing", SHAPE, lambda images: np.full(len(images), 0.5), None, "")
    for kind, source, goal in (("trains_of_32", Memory(1500, 32), 1e4), ("one_by_one", Memory(10_000, 1), 2.5e3)):
        ours, _ = screened(source, nothing)
        report(f"screening_transport_{kind}", ours, goal, "frames/s")
    for name in ("late10", "polar"):
        network = trained(name)
        batches = [IMAGES[at : at + BATCH] for at in range(0, len(IMAGES), BATCH)]
        network.answer(batches[0])
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < 3:
            n += sum(len(network.answer(batch)) for batch in batches)
        alone = n / (time.perf_counter() - start)
        ours, _ = screened(Memory(max(20, int(alone * 3 / 32)), 32), network)
        report("screening", ours, alone, "frames/s", model=name)
    network = trained("late10")
    _, delays = screened(Memory(1200, 1, rate=120.0), network)
    p50, p99 = (float(np.percentile(delays[20:], p)) for p in (50, 99))
    report("screening_delay_120Hz", 1 / p99, 120.0, "1/s", model="late10", p50_ms=1e3 * p50, p99_ms=1e3 * p99)
