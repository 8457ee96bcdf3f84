"""Training images per second of the 10-layer network against a plain PyTorch DataLoader loop, as in a notebook.

Both train the same network by the same loss and optimiser on the same patterns in memory, two epochs to warm up and the
third timed, on the GPU where there is one. Ours is `train.fit.fit` on a store; the competitor takes standardised float
images from a TensorDataset by DataLoader, one Adam step a batch, and asks for the loss of every batch.
"""

import tempfile
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

from setting import late10_store, report
from simulate.dataset import Dataset, open_dataset
from train.device import choose_device, describe_device
from train.fit import fit
from train.inputs import standardise
from train.losses import multi_output_loss
from train.models.registry import build
from train.recipe import Recipe

EPOCHS = 3


def plain_loop(dataset: Dataset, device: torch.device) -> float:
    """Images per second of the last epoch."""
    rows = dataset.splits["train"]
    images = standardise(torch.from_numpy(dataset.read(rows))[:, None])
    labels = torch.from_numpy(dataset.count[rows]), torch.from_numpy(dataset.structure[rows])
    loader = DataLoader(TensorDataset(images, *labels), batch_size=128, shuffle=True)
    model = build("late10", len(dataset.structures), len(dataset.hit_multiplicities)).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)
    for _ in range(EPOCHS):
        start, losses = time.perf_counter(), []
        for batch, count, particle in loader:
            optimiser.zero_grad()
            loss = multi_output_loss(model(batch.to(device)), count.to(device), particle.to(device))
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return len(images) / (time.perf_counter() - start)


if __name__ == "__main__":
    device = choose_device()
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(late10_store(Path(folder)))
        theirs = plain_loop(dataset, device)  # first: ours flushes denormals for the whole process
        ours = fit("late10", dataset, Recipe(epochs=EPOCHS), 0, device, Path(folder))[-1].images_per_s
    report("train_late10", ours, theirs, "images/s", device=describe_device(device), batch=128)
