"""Images per second that the 10-layer network answers, from counts in memory to probabilities, against plain PyTorch.

Ours is what `predict` does with each batch; the competitor is the network as built, in its default memory layout, on
float images standardised batch by batch with numpy, as a notebook would.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch

from bench.setting import late10_store, rate, report
from frames.store.dataset import open_dataset
from train.batches.batches import Batches
from train.config.recipe import Recipe
from train.inference.predict import infer
from train.loop.checkpoint import describe, network
from train.loop.device import choose_device, describe_device
from train.models.registry import build

BATCH = 256

if __name__ == "__main__":
    device = choose_device()
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(late10_store(Path(folder)))
        rows = dataset.splits["train"]
        batches = Batches(dataset, rows, BATCH, memory_gb=4.0)
        ours_model = network(describe("late10", dataset, Recipe(), 0), device)
        images = dataset.read_raw(rows).astype(np.float32)
        model = build("late10", {target.name: len(target.classes) for target in dataset.targets}).to(device).eval()
        model.load_state_dict(ours_model.state_dict())

        @torch.inference_mode()
        def ours() -> torch.Tensor:
            return torch.cat([head.softmax(1) for head in infer(ours_model, batches, "standardise", device)], 1).cpu()

        @torch.inference_mode()
        def theirs() -> torch.Tensor:
            answers = []
            for start in range(0, len(images), BATCH):
                batch = images[start : start + BATCH]
                batch = (batch - batch.mean((1, 2), keepdims=True)) / batch.std((1, 2), keepdims=True)
                logits = model(torch.from_numpy(batch)[:, None].to(device))
                answers.append(torch.cat([head.softmax(1) for head in logits], 1).cpu())
            return torch.cat(answers)

        error = float((ours() - theirs()).abs().max())
        rates = rate(ours, len(images)), rate(theirs, len(images))
    report("infer_late10", *rates, "images/s", device=describe_device(device), batch=BATCH, error=error)
