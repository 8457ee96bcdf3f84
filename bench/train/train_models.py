"""Training images per second of every network, and the share of this machine's arithmetic that they reach.

One line a network and precision: input transform, forward, backward and Adam step on counts that lie on the device, as
`train.batches.batches` holds them, in batches of 128 (VGG16: 8). The competitor is the roofline: multiply-adds as
`torch.utils.flop_counter` counts them in matrix products and convolutions, forward and backward, at the rate of a large
matrix product of that precision measured here. So the ratio is the share of the peak; what is limited by memory stays
below 1. On a GPU also compiled, and without channels last.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.setting import report
from frames.targets import shot_targets
from train.batches.input_transforms import network_input
from train.config.recipe import Recipe
from train.loop.checkpoint import Description, network
from train.loop.device import choose_device, describe_device, flush_denormals, keep_memory
from train.losses.multi_output import multi_output_loss
from train.models.registry import MODELS, input_for

SECONDS = 1.5
"""for each network and precision"""
BATCH = {"vgg16": 8}
N = 11, 4


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Of the fastest call, after one to warm up."""
    taken: list[float] = []
    end = 0.0
    while len(taken) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
        end = end or time.perf_counter() + SECONDS
    return min(taken[1:])


def peak(dtype: torch.dtype, device: torch.device) -> float:
    """Multiply-adds per second of a square matrix product."""
    n = 8192 if device.type == "cuda" else 1536
    left, right = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return n**3 / seconds(lambda: left @ right, device)


def variants(device: torch.device) -> Iterator[tuple[str, torch.dtype, torch.memory_format, bool]]:
    """Name, precision, memory layout, compiled or not."""
    if device.type == "cuda":
        yield "contiguous", torch.float32, torch.contiguous_format, False
        yield "contiguous", torch.bfloat16, torch.contiguous_format, False
        yield "compiled", torch.bfloat16, torch.channels_last, True
    for dtype in (torch.float32, torch.bfloat16):
        yield "as trained", dtype, torch.channels_last, False


def training_step(
    model: nn.Module, transform: str, batch: int, dtype: torch.dtype, device: torch.device
) -> Callable[[], None]:
    """One step on the same counts again and again, as `train.tasks.classify` takes it."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3, fused=True)
    counts = torch.as_tensor(np.random.default_rng(0).poisson(0.05, (batch, 128, 128)).astype(np.uint16), device=device)
    particle, count = (torch.arange(batch, device=device) % n for n in N)
    right = {"hit_multiplicity": count, "structure": particle}

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            logits = model(network_input(counts, transform, device))
        loss = multi_output_loss({name: head.float() for name, head in logits.items()}, right)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def measure(name: str, device: torch.device, peaks: dict[torch.dtype, float]) -> None:
    """Print a network's lines."""
    batch, transform = BATCH.get(name, 128), input_for(name)
    structures = tuple(f"s{i}" for i in range(N[0]))
    description = Description(
        name, shot_targets(structures, (1, 2, 3, 4)), (128, 128), Recipe(), 0, "benchmark", "", ""
    )
    with FlopCounterMode(display=False) as counter:
        training_step(network(description, device), transform, 2, torch.float32, device)()
    multiply_adds = counter.get_total_flops() / 2 / 2  # two operations each, two images
    for variant, dtype, layout, is_compiled in variants(device):
        model = network(description, device).to(memory_format=layout)  # type: ignore[call-overload]
        run = torch.compile(model) if is_compiled else model
        rate = batch / seconds(training_step(run, transform, batch, dtype, device), device)
        report(
            "train_models",
            rate,
            peaks[dtype] / multiply_adds,
            "images/s",
            model=name,
            precision=str(dtype).removeprefix("torch."),
            variant=variant,
            device=describe_device(device),
            batch=batch,
            million_multiply_adds=multiply_adds / 1e6,
            peak_gflops=2e-9 * peaks[dtype],
        )


if __name__ == "__main__":
    flush_denormals()
    keep_memory()
    device = choose_device()
    peaks = {dtype: peak(dtype, device) for dtype in (torch.float32, torch.bfloat16)}
    for name in MODELS:
        measure(name, device, peaks)
