"""Frames per second that each network answers, from counts in memory to probabilities, and how long one frame takes.

One line a network. By torch as `train.inference.predict` does, and by onnxruntime from what `train.export` writes; on
one core, on all cores, and on the GPU where there is one. `_1` are frames handed over one by one, with percentiles of
their time in ms, `_many` large batches. `ours` is the fastest; the competitor is the European XFEL's detector, 3,520
frames/s. Weights are random: speed does not hang on them.
"""

import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from bench.setting import report
from frames.targets import shot_targets
from train.batches.input_transforms import network_input
from train.config.recipe import Recipe
from train.export import ExportedNetwork, to_onnx
from train.loop.checkpoint import Description, network
from train.loop.device import choose_device, describe_device, flush_denormals
from train.models.registry import MODELS, input_for

SECONDS = 0.6
"""for each way of asking"""
CALLS = 200
"""of a frame by itself, at least: the 99th percentile is of so many"""
BATCH = {"vgg16": 16}
LARGE = 256
"""the batch of the others"""
LCLS, EUROPEAN_XFEL, FAST = 120.0, 3520.0, 1e5
"""frames/s"""

Answerer = Callable[[np.ndarray], object]


def ways(name: str) -> Iterator[tuple[str, Answerer]]:
    """How to ask a network, by name: frames (n, ny, nx) uint16 -> probabilities in memory."""
    import onnxruntime

    recipe = Recipe(input_transform=input_for(name))
    structures = tuple(f"s{i}" for i in range(11))
    description = Description(name, shot_targets(structures, (1, 2, 3, 4)), (128, 128), recipe, 0, "benchmark", "", "")
    device, cpu, cores = choose_device(), torch.device("cpu"), os.cpu_count() or 1
    model = network(description, cpu).eval()
    file = to_onnx(ExportedNetwork(model, recipe.input_transform).eval(), description)

    def by_torch(frames: np.ndarray, device: torch.device = cpu) -> list[np.ndarray]:
        with torch.inference_mode():
            logits = model(network_input(frames, recipe.input_transform, device))
            return [head.softmax(1).cpu().numpy() for head in logits]

    for n in sorted({1, cores}):
        threads = f"{n}core" + "s" * (n > 1)
        torch.set_num_threads(n)
        yield f"torch_{threads}", by_torch
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        yield (
            f"onnx_{threads}",
            lambda frames, run=session.run: run(list(ExportedNetwork.outputs), {"frames": frames.astype(np.float32)}),
        )
    if device.type == "cuda":
        model.to(device)
        yield "torch_gpu", lambda frames: by_torch(frames, device)


def times(work: Callable[[], object], at_least: int = 1) -> np.ndarray:
    """Seconds of each call, after two to warm up."""
    work(), work()
    taken, end = [], time.perf_counter() + SECONDS
    while len(taken) < at_least or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return np.array(taken)


def measure(name: str) -> None:
    """Print a network's line."""
    batch = BATCH.get(name, LARGE)
    frames = np.random.default_rng(0).poisson(0.05, (batch, 128, 128)).astype(np.uint16)
    found: dict[str, float] = {}
    for way, ask in ways(name):
        one = times(lambda ask=ask: ask(frames[:1]), CALLS)
        found[f"{way}_1"] = 1 / one.mean()
        found |= {f"{way}_p{p}_ms": float(1e3 * np.percentile(one, p)) for p in (50, 95, 99)}
        found[f"{way}_many"] = batch / times(lambda ask=ask: ask(frames)).min()
    rates = {key: value for key, value in found.items() if key.endswith(("_1", "_many"))}
    fastest = max(rates, key=lambda key: rates[key])
    report(
        "infer_models",
        rates[fastest],
        EUROPEAN_XFEL,
        "frames/s",
        model=name,
        device=describe_device(choose_device()),
        batch=batch,
        by=fastest,
        of_lcls=rates[fastest] / LCLS,
        of_1e5=rates[fastest] / FAST,
        **found,
    )


if __name__ == "__main__":
    flush_denormals()
    for name in MODELS:
        measure(name)
