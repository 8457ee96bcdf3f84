"""Training images per second of the 10-layer network against a plain PyTorch DataLoader loop, as in a notebook.

Both train the same network by the same loss and optimiser in batches of 128 on the same patterns in memory, on the GPU
where there is one. Ours is `train.tasks.classify.fit` on a store, in bfloat16 (the recipe's `precision`) and in
float32. The competitor is a Dataset of numpy images that standardises each and makes it a tensor, a DataLoader with as
many workers as suit it best, an Adam step a batch, and `loss.item()` after every one.

By the clock the fastest epoch counts. `..._per_cpu_s` are images of all epochs per CPU-second, which does not count
what else the machine does; ours with reading and validation. With OMP_NUM_THREADS=1 that is of one thread.
"""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from bench.setting import late10_store, report
from frames.store.dataset import open_dataset
from train.config.recipe import Precision, Recipe
from train.loop.device import choose_device, describe_device
from train.losses.multi_output import multi_output_loss
from train.models.registry import build
from train.tasks.classify import fit

EPOCHS = 3
WORKERS = (0, 2)


class Images(Dataset):
    """Patterns in memory, standardised one by one."""

    def __init__(self, images: np.ndarray, count: np.ndarray, particle: np.ndarray):
        self.images, self.count, self.particle = images, count, particle

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int, int]:
        image = (self.images[i] - self.images[i].mean()) / self.images[i].std()
        return torch.from_numpy(image)[None], int(self.count[i]), int(self.particle[i])


class Rates(NamedTuple):
    """Images of the fastest epoch per second, and of all per CPU-second of this process."""

    per_s: float
    per_cpu_s: float


def plain_loop(images: Images, workers: int, device: torch.device) -> Rates:
    """Of the competitor."""
    loader = DataLoader(images, batch_size=128, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    model = build(
        "late10", {"hit_multiplicity": int(images.count.max()) + 1, "structure": int(images.particle.max()) + 1}
    ).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)
    rates, begun = [], time.process_time()
    for _ in range(EPOCHS):
        start, losses = time.perf_counter(), []
        for batch, count, particle in loader:
            optimiser.zero_grad()
            loss = multi_output_loss(
                model(batch.to(device)), {"hit_multiplicity": count.to(device), "structure": particle.to(device)}
            )
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        rates.append(len(images) / (time.perf_counter() - start))
    return Rates(max(rates), EPOCHS * len(images) / (time.process_time() - begun))


if __name__ == "__main__":
    device = choose_device()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = open_dataset(late10_store(folder))
        rows = dataset.splits["train"]
        images = Images(dataset.read(rows), dataset.count[rows], dataset.structure[rows])
        # First: `fit` flushes denormals and keeps memory for the whole process.
        plain = {workers: plain_loop(images, workers, device) for workers in WORKERS}

        def ours(precision: Precision) -> Rates:
            recipe, begun = Recipe(epochs=EPOCHS, precision=precision), time.process_time()
            history = fit("late10", dataset, recipe, 0, device, folder / precision)
            spent = time.process_time() - begun
            return Rates(max(row.images_per_s for row in history), EPOCHS * len(images) / spent)

        rates = {precision: ours(precision) for precision in ("bfloat16", "float32")}
    workers = max(plain, key=lambda n: plain[n].per_s)
    report(
        "train_late10",
        rates["bfloat16"].per_s,
        plain[workers].per_s,
        "images/s",
        device=describe_device(device),
        batch=128,
        float32=rates["float32"].per_s,
        ratio_float32=rates["float32"].per_s / plain[workers].per_s,
        competitor_workers=workers,
        bfloat16_per_cpu_s=rates["bfloat16"].per_cpu_s,
        float32_per_cpu_s=rates["float32"].per_cpu_s,
        competitor_per_cpu_s=plain[0].per_cpu_s,
    )
