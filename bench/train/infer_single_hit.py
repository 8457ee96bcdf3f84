"""Frames per second that the networks that ship answer on one core, from counts in memory to p(single), in one run.

`ours` is of wall time, `per_processor_second` of processor time, which other programs' load hardly changes; the
competitor is the European XFEL's detector, 3,520 frames/s. Other files may be named: python -m
bench.train.infer_single_hit FILE...
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.setting import report
from train.inference.shipped import MODEL, load_twin

SECONDS = 3.0
EUROPEAN_XFEL = 3520.0
BATCHES = (1, 2, 4, 16, 32, 64, 256)


def main(files: Sequence[Path] = ()) -> None:
    """Print one line a network and batch size; they take turns, so that what else the machine does meets all."""
    twins = {path: load_twin(path) for path in files or sorted(MODEL.parent.glob("*.onnx"))}
    shape = next(iter(twins.values())).description.image_shape
    counts = np.random.default_rng(0).poisson(0.06, (max(BATCHES), *shape)).astype(np.uint16)
    for batch in BATCHES:
        frames = counts[:batch]
        for path, twin in twins.items():
            answers = twin.alone
            answers.scores(twin.embed(frames))
            done, wall, cpu = 0, time.perf_counter(), time.process_time()
            while time.perf_counter() - wall < SECONDS:
                answers.scores(twin.embed(frames))
                done += batch
            elapsed, worked = time.perf_counter() - wall, time.process_time() - cpu
            report(
                f"single_hit_{batch}",
                done / elapsed,
                EUROPEAN_XFEL,
                "frames/s",
                file=path.name,
                megabytes=path.stat().st_size / 1e6,
                per_processor_second=done / worked,
                batch=batch,
            )


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
