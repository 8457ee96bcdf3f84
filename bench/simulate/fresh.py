"""Patterns per second rendered afresh for a network that trains, against reading as many from the store.

Multiplicities 1 to 4 of two structures, noisy, on the device that the network would train on. Both hand over batches of
128; `trained` are images per second of the 10-layer network from patterns in memory, and `epoch_longer_by` how many
times as long an epoch on fresh patterns takes as one on patterns that are read.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench.setting import report
from bench.simulate.production import molecules, produce
from frames.store.dataset import open_dataset
from simulate.config import SimulationConfig
from simulate.render.fresh import Source
from simulate.render.images import Inputs
from train.batches.batches import Batches
from train.batches.fresh import FreshBatches
from train.config.recipe import Recipe
from train.loop.device import choose_device, describe_device
from train.tasks.classify import fit

PATTERNS_PER_CLASS = 2048


def rate(batches: Iterable) -> float:
    """Patterns per second of one epoch."""
    start = time.perf_counter()
    patterns = sum(len(batch) for batch in batches)
    return patterns / (time.perf_counter() - start)


if __name__ == "__main__":
    device, cores = choose_device(), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder, chosen = Path(name), molecules(2)
        produce(folder, chosen, PATTERNS_PER_CLASS, cores)
        config = SimulationConfig.model_validate(
            {
                "structures": [{"id": entry, "source": "phantom", "phantom": "globule"} for entry in chosen],
                "plan": {"patterns_per_class": PATTERNS_PER_CLASS},
                "datasets": {"made": {"base": "poster"}},
            }
        )
        volumes, atoms = ({entry: folder / f"{entry}{end}" for entry in chosen} for end in ("-f.npz", ".npz"))
        inputs = Inputs(folder / "plan.parquet", folder / "geometry.npz", volumes, atoms)
        dataset = open_dataset(folder / "made")
        fresh = FreshBatches(Source(config, "made", inputs), dataset, 128, device, seed=0)
        rate(fresh.epoch(0))  # compiles, and loads what it renders from
        ours = rate(fresh.epoch(1))
        read = Batches(dataset, dataset.splits["train"], 128, memory_gb=0.3, seed=0)
        rate(read.epoch(0))
        streamed = rate(read.epoch(1))
        trained = fit("late10", dataset, Recipe(epochs=2), 0, device, folder)[-1].images_per_s
    report(
        "fresh",
        ours,
        streamed,
        "patterns/s",
        device=describe_device(device),
        cores=cores,
        competitor_is="reading whole shards from the store",
        trained=trained,
        epoch_longer_by=(1 / trained + 1 / ours) / (1 / trained + 1 / streamed),
    )
