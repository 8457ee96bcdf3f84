"""What is left of a training's speed, and of the demo's, where other programs want the cores too.

The other programs are busy loops, as many as there are cores. The rate is of steps of `polar` in batches of 64, ours
with the number of threads that `train.threads` measures to be best; the competitor takes as many as there are cores,
taking turns with ours in one run, quiet and beside the loops. `demo_...` are a run of config/demo.yaml, quiet and then
beside the loops: with a fifth of its patterns and of the epochs of its longest training, or whole, as it is:

    python bench/shared_machine.py          # minutes
    python bench/shared_machine.py whole    # a quarter of an hour

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from setting import report
from train.checkpoint import Description, network
from train.device import choose_device, flush_denormals, keep_memory
from train.models.registry import input_for
from train.recipe import Recipe
from train.threads import Threads
from train_models import training_step

ROOT = Path(__file__).resolve().parents[1]
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


def demo(folder: Path, whole: bool) -> dict[str, float]:
    """Seconds and CPU-minutes of the demo in a new folder."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    if not whole:
        config["simulation"]["plan"]["patterns_per_class"] //= 5
        config["training"]["models"]["late10"]["recipe"]["epochs"] //= 5
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


if __name__ == "__main__":
    whole = sys.argv[1:] == ["whole"]
    load = os.getloadavg()[0]
    torch.set_num_threads(CORES)
    flush_denormals()
    keep_memory()
    device = choose_device("cpu")
    description = Description(
        "polar", tuple(f"s{i}" for i in range(11)), (1, 2, 3, 4), (128, 128), Recipe(), 0, "benchmark", "", ""
    )
    step = training_step(network(description, device), input_for("polar"), BATCH, torch.float32, device)
    found: dict[str, dict[str, float]] = {}
    demos: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        found["quiet"] = rates(step)
        demos["quiet"] = demo(Path(name) / "quiet", whole)
        with beside_busy_loops():
            found["busy"] = rates(step)
            demos["busy"] = demo(Path(name) / "busy", whole)
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
        demo="whole" if whole else "a fifth",
        **{f"demo_{when}_{what}": value for when, one in demos.items() for what, value in one.items()},
        demo_ratio=demos["busy"]["s"] / demos["quiet"]["s"],
    )
