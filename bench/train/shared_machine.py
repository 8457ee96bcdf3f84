"""What is left of a training's speed, and of the demo's, where other programs want the cores too.

The other programs are busy loops, as many as there are cores. The rate is of steps of `polar` in batches of 64, ours
with the number of threads that `train.loop.threads` measures to be best; the competitor takes as many as there are
cores, taking turns with ours in one run, quiet and beside the loops. `answers...` are the rates at which the same
network answers batches of 64, ours side by side with a thread each, the competitor one after the other. `demo_...` are
a run of config/demo.yaml, quiet and then beside the loops: with a fifth of its patterns and a third of the epochs of
its longest training, or whole, as it is:

    python -m bench.train.shared_machine          # minutes
    python -m bench.train.shared_machine whole    # a quarter of an hour
    python -m bench.train.shared_machine rates    # two minutes: without the demo

Seconds are by the clock, minutes of all processes together. What else the machine does meanwhile counts as well: `load`
is its load average before.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from bench.setting import report
from bench.train.train_models import training_step
from frames.targets import shot_targets
from train.batches.input_transforms import network_input
from train.config.recipe import Recipe
from train.loop.checkpoint import Description, network
from train.loop.device import choose_device, flush_denormals, keep_memory
from train.loop.threads import Threads, side_by_side
from train.models.registry import input_for

ROOT = Path(__file__).resolve().parents[2]
CORES = os.cpu_count() or 1
BATCH, ROUNDS, SECONDS = 64, 3, 6.0


@contextmanager
def beside_busy_loops() -> Iterator[None]:
    """One a core, as long as this lasts."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(CORES)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def rates(step: Callable[[], None]) -> dict[str, float]:
    """Images per second with as many threads as are measured to be best, and with all; the first measurement, which a
    training does once, is not in the time."""
    images = dict.fromkeys(("ours", "all_threads"), 0)
    taken = dict.fromkeys(images, 0.0)
    threads = Threads(CORES)
    threads.start_epoch()
    threads.before_step(BATCH, step)
    for _ in range(ROUNDS):
        for which in images:
            begun = time.perf_counter()
            torch.set_num_threads(CORES)
            threads.start_epoch()
            if which == "all_threads":
                torch.set_num_threads(CORES)
            while (passed := time.perf_counter() - begun) < SECONDS:
                if which == "ours":
                    threads.before_step(BATCH, step)
                step()
                images[which] += BATCH
            taken[which] += passed
    return {which: images[which] / taken[which] for which in images} | {"threads": threads.number}


@torch.inference_mode()
def answering(model: nn.Module, transform: str) -> dict[str, float]:
    """Images answered per second, ours and with all threads at one batch."""
    model.eval()
    device = torch.device("cpu")
    counts = np.random.default_rng(0).poisson(0.05, (BATCH, 128, 128)).astype(np.uint16)

    def answer(_: int) -> torch.Tensor:
        return model(network_input(counts, transform, device))["hit_multiplicity"]

    batches = range(4 * CORES)
    ways = {"ours": lambda: list(side_by_side(answer, batches, device)), "all_threads": lambda: [*map(answer, batches)]}
    images, taken = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
    torch.set_num_threads(CORES)
    for _ in range(ROUNDS):
        for which, way in ways.items():
            begun = time.perf_counter()
            way()
            taken[which] += time.perf_counter() - begun
            images[which] += BATCH * len(batches)
    return {which: images[which] / taken[which] for which in ways}


def demo(folder: Path, whole: bool) -> dict[str, float]:
    """Seconds and CPU-minutes of the demo in a new folder."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    if not whole:
        config["simulation"]["plan"]["patterns_per_class"] //= 5
        config["training"]["models"]["late10"]["recipe"]["epochs"] //= 3
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, "--configfile", str(folder / "config.yaml"), "--cores", "all"],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"the demo failed:\n{done.stderr[-4000:]}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": seconds, "cpu_min": spent / 60}


def main(asked: str) -> None:
    """Measure and report: `rates` alone, with the demo by a fifth, or with the `whole` of it."""
    load = os.getloadavg()[0]
    torch.set_num_threads(CORES)
    flush_denormals()
    keep_memory()
    device = choose_device("cpu")
    description = Description(
        "polar", shot_targets([f"s{i}" for i in range(11)], (1, 2, 3, 4)), (128, 128), Recipe(), 0, "benchmark", "", ""
    )
    model, transform = network(description, device), input_for("polar")
    step = training_step(model, transform, BATCH, torch.float32, device)
    answerer = network(description, device)
    found: dict[str, dict[str, float]] = {}
    answers: dict[str, dict[str, float]] = {}
    demos: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for when, others in (("quiet", nullcontext), ("busy", beside_busy_loops)):
            with others():
                found[when], answers[when] = rates(step), answering(answerer, transform)
                if asked != "rates":
                    demos[when] = demo(Path(name) / when, asked == "whole")
    of_demo: dict[str, Any] = {
        f"demo_{when}_{what}": value for when, one in demos.items() for what, value in one.items()
    }
    if demos:
        of_demo |= {
            "demo": "whole" if asked == "whole" else "a fifth",
            "demo_ratio": demos["busy"]["s"] / demos["quiet"]["s"],
        }
    report(
        "shared_machine",
        found["busy"]["ours"],
        found["busy"]["all_threads"],
        "images/s",
        network="polar",
        batch=BATCH,
        cores=CORES,
        busy_loops=CORES,
        load=load,
        threads=found["busy"]["threads"],
        quiet=found["quiet"]["ours"],
        quiet_competitor=found["quiet"]["all_threads"],
        quiet_threads=found["quiet"]["threads"],
        answers=answers["busy"]["ours"],
        answers_competitor=answers["busy"]["all_threads"],
        answers_quiet=answers["quiet"]["ours"],
        answers_quiet_competitor=answers["quiet"]["all_threads"],
        **of_demo,
    )


if __name__ == "__main__":
    if len(sys.argv) > 2 or not set(sys.argv[1:]) <= {"rates", "whole"}:
        sys.exit("usage: python -m bench.train.shared_machine [rates | whole]")
    main(sys.argv[1] if len(sys.argv) > 1 else "")
