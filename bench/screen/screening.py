"""What screening takes beside the network, and how long a frame waits; a JSON line each.

`transport`: frames of 128 x 128 per second from a source in memory to the ledger with a network that does nothing, in
trains of 32 and one by one; the competitors are the goals, 10,000 and 2,500 frames/s. `screening`: frames per second
with a network of ours, against that network by itself, batch after batch from memory: both take turns of a second in
one process, as what else a machine does changes faster than that, and the ratio is the median of neighbouring turns'.
`delay`: from arrival to decision at 120 Hz, against a pulse's 8.3 ms. By name alone, `python -m bench.screen.screening
sustained`: 3,520 frames/s for ten minutes (`--seconds`), by `--model FILE`, a trained network; without, by the largest
that ships and is fast enough here, else by the demo's late10.
"""

import argparse
import itertools
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.setting import report
from frames.files import read_table
from frames.targets import names, shot_targets
from screen.network.asked import Asking
from screen.network.network import Network
from screen.network.networks import load_network
from screen.page.page import Page
from screen.stream.command import hurry
from screen.stream.frame import Frame, FrameId
from screen.stream.ledger import Ledger
from screen.stream.policy import Policy
from screen.stream.screening import BATCH, Screening
from screen.stream.sinks import Sink
from train.inference.shipped import MODEL

SHAPE = 128, 128
N_TURNS = 20
RNG = np.random.default_rng(0)
IMAGES = RNG.poisson(0.05, (256, *SHAPE)).astype(np.float32)


class Memory:
    """Trains from memory, as fast as they are taken or at a rate."""

    name = "memory"

    def __init__(self, n_trains: int, n_pulses: int, rate: float | None = None, *, lossless: bool = True):
        self.n_trains, self.n_pulses, self.rate, self.lossless = n_trains, n_pulses, rate, lossless
        self.offered_for = 0.0
        """that all trains took to come, with the period of the last [s]"""

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
        self.offered_for = time.perf_counter() - start + (1 / self.rate if self.rate else 0.0)

    def commit(self, ids):
        pass

    def close(self):
        pass


class Turns(Memory):
    """Trains from memory as fast as they are taken, and in between the network by itself, for as long."""

    def __init__(self, network: Network, n_turns: int, n_trains: int):
        super().__init__(n_turns * n_trains, 32)
        self.network, self.n_turns, self.n_a_turn = network, n_turns, n_trains * 32
        self.rates: list[tuple[float, float]] = []
        """of each turn, screened and alone [frames/s]"""
        self._n, self._decided = 0, threading.Condition()

    def __iter__(self):
        trains = super().__iter__()
        for turn in range(1, self.n_turns + 1):
            start = time.perf_counter()
            yield from itertools.islice(trains, self.n_a_turn // 32)
            with self._decided:
                self._decided.wait_for(lambda n=turn: self._n >= n * self.n_a_turn)
            taken = time.perf_counter() - start
            self.rates.append((self.n_a_turn / taken, alone(self.network, taken)))

    def commit(self, ids):
        with self._decided:
            self._n += len(ids)
            self._decided.notify()


def alone(network: Network, seconds: float) -> float:
    """Frames per second of a network, batch after batch from memory."""
    batches = [IMAGES[at : at + BATCH] for at in range(0, len(IMAGES), BATCH)]
    network.predict(batches[0])
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        n += sum(len(network.predict(batch)) for batch in batches)
    return n / (time.perf_counter() - start)


class Screened(NamedTuple):
    """What came of a screening."""

    rate: float
    """frames/s"""
    delays: np.ndarray
    """of all frames, in order [s]"""
    answered: int
    """frames that the network predicted in time"""
    counts: Mapping[str, int]
    """of each decision"""


def screened(source: Memory, network: Network, sinks: Sequence[Sink] = (), workers: int = 1) -> Screened:
    """A source to its end; of one that does not wait the oldest are skipped, and what is late is kept."""
    with tempfile.TemporaryDirectory() as folder:
        policy = Policy(0.5, when_full="skip-oldest", deadline=None if source.lossless else 1.0)
        screening = Screening(source, Asking(network), policy, Ledger(folder), sinks, workers=workers)
        start = time.perf_counter()
        status = screening.run()
        taken = time.perf_counter() - start
        table = read_table(Path(folder) / "decisions.parquet")
        delays = table["decided"].to_numpy() - table["arrived"].to_numpy()
    answered = len(table) - table["p_single"].null_count
    return Screened(source.n_trains * source.n_pulses / taken, delays, answered, status.counts)


def trained(name: str) -> Network:
    """A network of ours with random weights."""
    import torch

    from train.config.recipe import Recipe
    from train.export import ExportedNetwork, to_onnx
    from train.loop.checkpoint import Description
    from train.loop.checkpoint import network as built
    from train.models.registry import input_for

    targets = shot_targets(("a", "b"), (1, 2, 3, 4))
    recipe = Recipe(input_transform=input_for(name))
    description = Description(name, targets, SHAPE, recipe, 0, "benchmark", "", "")
    model = built(description, torch.device("cpu")).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(to_onnx(ExportedNetwork(model, recipe.input_transform, names(targets)).eval(), description))
        return load_network(path)


def transport() -> None:
    """Without a network."""
    nothing = Network("nothing", SHAPE, lambda images: np.full(len(images), 0.5), None, "")
    for kind, source, goal in (("trains_of_32", Memory(1500, 32), 1e4), ("one_by_one", Memory(10_000, 1), 2.5e3)):
        ours = screened(source, nothing).rate
        report(f"screening_transport_{kind}", ours, goal, "frames/s")


def screening() -> None:
    """With networks of ours."""
    for name in ("late10", "polar"):
        network = trained(name)
        source = Turns(network, N_TURNS, max(5, int(alone(network, 1.0) / 32)))
        start = time.process_time()
        screened(source, network)
        ours, by_itself = np.array(source.rates).T
        report(
            "screening",
            float(np.median(ours)),
            float(np.median(by_itself)),
            "frames/s",
            model=name,
            median_ratio=float(np.median(ours / by_itself)),
            quartiles=[float(f"{q:.3g}") for q in np.percentile(ours / by_itself, (25, 75))],
            turns=N_TURNS,
            cpu_s=time.process_time() - start,
        )


def delay() -> None:
    """At 120 Hz."""
    delays = screened(Memory(3600, 1, rate=120.0), trained("late10")).delays
    p50, p99 = (float(np.percentile(delays[20:], p)) for p in (50, 99))
    report("screening_delay_120Hz", 1 / p99, 120.0, "1/s", model="late10", p50_ms=1e3 * p50, p99_ms=1e3 * p99)


FULL_RATE, SPARE = 3520.0, 1.25
"""Frames per second of the fastest detector meant; a network alone is to answer so many times as many"""
DEMO = Path("results/demo/models/noise_free/late10/seed0/model.pt")


def fast_enough() -> Path:
    """The largest network that ships and answers the full rate here with something to spare; else the demo's."""
    shipped = sorted(MODEL.parent.glob("*.onnx"), key=lambda path: -path.stat().st_size)
    for path in (*shipped, DEMO):
        if path.exists() and alone(load_network(path), 2.0) >= SPARE * FULL_RATE:
            return path
    raise FileNotFoundError(
        f"no network in {MODEL.parent}, nor {DEMO} (`make demo`), answers {SPARE * FULL_RATE:.0f} frames/s on this "
        "machine as it is now; name one by --model"
    )


def sustained(seconds: float, model: Path | None) -> None:
    """At the full rate, in trains of 32 that wait for nobody, while a page looks on."""
    model = model or fast_enough()
    network = load_network(model)
    by_itself = alone(network, 2.0)
    source = Memory(int(seconds * FULL_RATE / 32), 32, rate=FULL_RATE / 32, lossless=False)
    found = screened(source, network, [Page(0)])
    p50, p99, worst = (float(np.percentile(found.delays, p)) for p in (50, 99, 100))
    report(
        "screening_sustained",
        found.answered / source.offered_for,
        FULL_RATE,
        "frames/s",
        model=str(model),
        alone=by_itself,
        seconds=source.offered_for,
        offered=len(found.delays),
        answered=found.answered,
        skipped=found.counts["skipped"],
        p50_ms=1e3 * p50,
        p99_ms=1e3 * p99,
        worst_ms=1e3 * worst,
    )


ALWAYS = transport, screening, delay

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.screen.screening", description=__doc__)
    of = {work.__name__: work for work in ALWAYS}
    parser.add_argument("what", nargs="*", choices=[*of, "sustained", []], help="(default: all but sustained)")
    parser.add_argument("--seconds", type=float, default=600.0, help="of sustained (default: 600)")
    parser.add_argument("--model", type=Path, metavar="FILE", help="of sustained: model.onnx or model.pt")
    given = parser.parse_args()
    hurry()
    for name in given.what or of:
        of[name]() if name in of else sustained(given.seconds, given.model)
