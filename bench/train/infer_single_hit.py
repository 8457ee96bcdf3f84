"""Frames per second that the network that ships answers on one core, from counts in memory to p(single).

`ours` is of wall time, `per_processor_second` of processor time, which other programs' load hardly changes; the
competitor is the European XFEL's detector, 3,520 frames/s.
"""

import time

import numpy as np

from bench.setting import report
from train.inference.shipped import MODEL, load_twin

SECONDS = 5.0
EUROPEAN_XFEL = 3520.0
BATCHES = (1, 16, 64, 256)


def main() -> None:
    """Print one line a batch size."""
    twin = load_twin(MODEL)
    counts = np.random.default_rng(0).poisson(0.06, (max(BATCHES), *twin.description.image_shape)).astype(np.uint16)
    for batch in BATCHES:
        frames = counts[:batch]
        twin.alone.scores(twin.embed(frames))
        done, wall, cpu = 0, time.perf_counter(), time.process_time()
        answers = twin.alone
        while time.perf_counter() - wall < SECONDS:
            answers.scores(twin.embed(frames))
            done += batch
        elapsed, worked = time.perf_counter() - wall, time.process_time() - cpu
        name = f"single_hit_{batch}"
        report(name, done / elapsed, EUROPEAN_XFEL, "frames/s", per_processor_second=done / worked, batch=batch)


if __name__ == "__main__":
    main()
