"""The paper's 220,000 patterns, from eleven structures to a complete store; and how production grows.

    python -m bench.simulate.scale            what the paper takes: patterns/s, where the time goes, memory, bytes
    python -m bench.simulate.scale growth     a tenth of it, a third, all of it; and 64, 128, 256 pixels along an edge
    python -m bench.simulate.scale slopes     every stage alone at three sizes, and at 10⁸ patterns by that (slopes.py)

`competitor` is skopi's generate_image alone on as many cores, as in dataset.py. `parts_us` are CPU microseconds a
pattern, timed on one core over shards of the same dataset: expected photons, Poisson, compressing and writing.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np

from bench.setting import report
from bench.simulate.dataset import skopi_rate
from bench.simulate.production import Production, molecules, produce
from bench.simulate.slopes import slopes
from frames.store import writer
from frames.store.layout import Layout
from frames.targets import STRUCTURE
from simulate.diffraction.patterns import expected_photons
from simulate.experiment.config import DatasetConfig
from simulate.experiment.photons import sample_photons
from simulate.experiment.presets import presets
from simulate.plan import plan
from simulate.plan.shots import draw
from simulate.render import images

PAPER = 5000
"""Patterns of each of 44 classes."""

SHARDS_TIMED = 4


def parts(folder: Path) -> dict[str, float]:
    """CPU microseconds a pattern of each part of making a shard, on one core."""
    numba.set_num_threads(1)
    chosen = DatasetConfig.model_validate(presets()["poster"])
    layout = Layout.load(folder / "made")
    volumes = images.load_volumes(tuple(folder / f"{name}-f.npz" for name in layout.target(STRUCTURE).classes))
    geometry, whole = images.load_geometry(folder / "geometry.npz"), plan.read(folder / "plan.parquet")
    seconds = dict.fromkeys(("draw", "render", "sample", "write"), 0.0)
    patterns = 0
    for shard in range(min(SHARDS_TIMED + 1, layout.n_shards)):
        times = [time.process_time()]
        rows = whole.rows(layout.rows(shard))
        shots = draw(rows, chosen)
        times.append(time.process_time())
        expected = expected_photons(volumes, geometry, shots)
        times.append(time.process_time())
        photons = sample_photons(expected, rows.table["seed"].to_numpy(np.uint64))
        times.append(time.process_time())
        writer.write_shard(folder / "made", layout, shard, photons, "timed")
        times.append(time.process_time())
        if shard > 0:  # the first one warms up
            patterns += len(rows)
            for name, spent in zip(seconds, np.diff(times), strict=True):
                seconds[name] += spent
    return {name: round(1e6 * spent / patterns, 1) for name, spent in seconds.items()}


def summary(made: Production) -> dict[str, Any]:
    """The figures of one production."""
    return {
        "patterns": made.patterns,
        "seconds": round(made.total, 1),
        "patterns_per_s": round(made.patterns / made.total),
        "cpu_ms_per_pattern": round(1e3 * made.cpu_seconds / made.patterns, 3),
        "peak_megabytes": round(made.peak_bytes / 1e6),
        "bytes_per_pattern": round(made.stored_bytes / made.patterns),
        "stages": {name: round(spent, 1) for name, spent in made.seconds.items()},
    }


def paper(cores: int) -> None:
    """The whole of it, once."""
    with tempfile.TemporaryDirectory() as folder:
        made = produce(Path(folder), molecules(), PAPER, cores)
        timed = parts(Path(folder))
    rate = made.patterns / made.total
    share = timed["render"] / sum(timed.values())
    report(
        "scale", rate, skopi_rate(cores), "patterns/s", cores=cores, **summary(made), parts_us=timed, render_share=share
    )


def growth(cores: int) -> None:
    """Lines of how time and memory grow with patterns and with pixels."""
    for patterns_per_class in (PAPER // 10, PAPER // 3, PAPER):
        with tempfile.TemporaryDirectory() as folder:
            made = produce(Path(folder), molecules(), patterns_per_class, cores)
            print(json.dumps({"pixels": 128, **summary(made)}), flush=True)
    for n_pixels in (64, 128, 256):
        detector = {"n_pixels": n_pixels, "pixel_size_um": 600 * 128 / n_pixels}
        with tempfile.TemporaryDirectory() as folder:
            made = produce(Path(folder), molecules(), 250, cores, detector=detector)
            print(json.dumps({"pixels": n_pixels, **summary(made)}), flush=True)


if __name__ == "__main__":
    cores = os.cpu_count() or 1
    match sys.argv[1:]:
        case ["slopes", *stages]:
            slopes(stages)
        case ["growth"]:
            growth(cores)
        case _:
            paper(cores)
