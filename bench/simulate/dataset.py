"""Patterns per second from a structure to a complete Zarr store, multiplicities 1 to 4, against skopi's generate_image.

Everything is counted: volume, plan, rendering, Poisson, compression, checksums, the cluster's start. skopi's rate is
that of its images alone, one to four particles in equal parts, one process a core, without storing them.
The whole paper, and how production grows: bench/simulate/scale.py.
"""

import os
import tempfile
from pathlib import Path

from bench.setting import molecule, report, skopi_images, some_shots
from bench.simulate.production import produce

PATTERNS_PER_CLASS = 8192


def skopi_rate(cores: int) -> float:
    """Images per second of skopi alone, for equal numbers of one to four particles."""
    _, atoms = molecule()
    seconds = 0.0
    for n in (1, 2, 3, 4):
        shots = some_shots(atoms, n, 16)
        arrays = shots.orientations.reshape(-1, n, 4), shots.positions.reshape(-1, n, 3)
        seconds += 1 / skopi_images(atoms, *arrays, cores)[0]
    return 4 / seconds


if __name__ == "__main__":
    cores = os.cpu_count() or 1
    entry, atoms = molecule()
    with tempfile.TemporaryDirectory() as folder:
        made = produce(Path(folder), {entry: lambda: atoms}, PATTERNS_PER_CLASS, cores)
    report(
        "dataset",
        made.patterns / made.total,
        skopi_rate(cores),
        "patterns/s",
        structure=entry,
        cores=cores,
        patterns=made.patterns,
        bytes_per_pattern=made.stored_bytes / made.patterns,
    )
