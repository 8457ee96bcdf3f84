"""Frames per second that each network answers, from counts in memory to probabilities, and how long one frame takes.

One line a network. By torch as `train.inference.predict` does, and by onnxruntime from what `train.export` writes, also
in 8 bits (`int8`, of networks in EIGHT_BITS); on one core, on all cores, and on the GPU where there is one. `_1` are
frames handed over one by one, with percentiles of their time in ms, `_32` and `_64` batches of so many, `_many` large
ones. `ours` is the fastest; the competitor is the European XFEL's detector, 3,520 frames/s. Weights are random: speed
does not hang on them. Networks may be named: python -m bench.train.infer_models folded swift
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from bench.setting import report
from frames.targets import names, shot_targets
from train.batches.input_transforms import network_input
from train.config.recipe import Recipe
from train.export import ExportedNetwork, to_onnx
from train.loop.checkpoint import Description, network
from train.loop.device import choose_device, describe_device, flush_denormals
from train.models.registry import MODELS, input_for
from train.onnx_files.eight_bits import quantised

SECONDS = 0.6
"""for each way of asking"""
CALLS = 200
"""of a frame by itself, at least: the 99th percentile is of so many"""
BATCH = {"vgg16": 16}
MIDDLE = 32, 64
EIGHT_BITS = "late10", "azimuthal", "polar", "folded", "swift"
LARGE = 256
"""the batch of the others"""
LCLS, EUROPEAN_XFEL, FAST = 120.0, 3520.0, 1e5
"""frames/s"""

TARGETS = names(shot_targets(("a",), (1, 2)))
Answerer = Callable[[np.ndarray], object]


def ways(name: str) -> Iterator[tuple[str, Answerer]]:
    """How to ask a network, by name: frames (n, ny, nx) uint16 -> probabilities in memory."""
    import onnxruntime

    recipe = Recipe(input_transform=input_for(name))
    structures = tuple(f"s{i}" for i in range(11))
    description = Description(name, shot_targets(structures, (1, 2, 3, 4)), (128, 128), recipe, 0, "benchmark", "", "")
    device, cpu, cores = choose_device(), torch.device("cpu"), os.cpu_count() or 1
    model = network(description, cpu).eval()
    files = {"onnx": to_onnx(ExportedNetwork(model, recipe.input_transform, TARGETS).eval(), description)}
    if name in EIGHT_BITS:
        files["int8"] = quantised(files["onnx"], some_frames(64).astype(np.float32))

    def by_torch(frames: np.ndarray, device: torch.device = cpu) -> list[np.ndarray]:
        with torch.inference_mode():
            logits = model(network_input(frames, recipe.input_transform, device))
            return [head.softmax(1).cpu().numpy() for head in logits.values()]

    for n in sorted({1, cores}):
        threads = f"{n}core" + "s" * (n > 1)
        torch.set_num_threads(n)
        yield f"torch_{threads}", by_torch
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        for kind, file in files.items():
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            yield f"{kind}_{threads}", partial(_by_onnx, session)
    if device.type == "cuda":
        model.to(device)
        yield "torch_gpu", lambda frames: by_torch(frames, device)


def _by_onnx(session: Any, frames: np.ndarray) -> list[np.ndarray]:
    return session.run(list(TARGETS), {"frames": frames.astype(np.float32)})


def some_frames(n: int) -> np.ndarray:
    """(n, 128, 128) counts of a dim pattern without any shape."""
    return np.random.default_rng(0).poisson(0.05, (n, 128, 128)).astype(np.uint16)


def times(work: Callable[[], object], at_least: int = 1) -> np.ndarray:
    """Seconds of each call, after two to warm up."""
    work(), work()
    taken: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(taken) < at_least or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return np.array(taken)


def measure(name: str) -> None:
    """Print a network's line."""
    batch = BATCH.get(name, LARGE)
    frames = some_frames(batch)
    found: dict[str, float] = {}
    for way, ask in ways(name):
        one = times(partial(ask, frames[:1]), CALLS)
        found[f"{way}_1"] = 1 / one.mean()
        found |= {f"{way}_p{p}_ms": float(1e3 * np.percentile(one, p)) for p in (50, 95, 99)}
        for n in MIDDLE if batch >= max(MIDDLE) else ():
            found[f"{way}_{n}"] = n / times(partial(ask, frames[:n])).min()
        found[f"{way}_many"] = batch / times(partial(ask, frames)).min()
    rates = {key: value for key, value in found.items() if key.endswith(("_1", "_32", "_64", "_many"))}
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
    for name in sys.argv[1:] or MODELS:
        measure(name)
