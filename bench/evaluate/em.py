"""EM classes: frames a second of ours and of spi-em-class 0.1.7, in one run, and whether they are the same classes.

python -m bench.evaluate.em            # 200 frames of 64 x 64, 4 classes, 72 rotations, 10 iterations
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from sklearn.metrics import adjusted_rand_score

from evaluate.virus.em import EMConfig, classify
from train.batches.polar_bins import polar_bins


def frames_of(n: int, size: int, photons: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, size, size) of four kinds of particle, turned and scaled at random, and which kind each is."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    truth, frames = generator.integers(4, size=n), np.empty((n, size, size), np.uint16)
    for i, kind in enumerate(truth):
        turned = angle + generator.uniform(0, np.pi)
        wave = [
            np.cos(0.9 * r),
            np.cos(2 * turned) * np.ones_like(r),
            np.cos(0.8 * r * np.cos(turned)),
            np.cos(4 * turned) * np.cos(0.5 * r),
        ][kind]
        expected = np.exp(-r / 9) * (1 + 0.9 * wave)
        frames[i] = generator.poisson(photons * generator.gamma(4, 0.25) * expected / expected.sum())
    return frames, truth


def competitor(
    frames: np.ndarray, n_classes: int, n_rot: int, n_iterations: int, log: bool, seed: int
) -> tuple[float, float, np.ndarray]:
    """Seconds that its iterations take, its data converted already; mean log-likelihood of its end; its classes."""
    size = frames.shape[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with h5py.File(folder / "frames.cxi", "w") as file:
            image = file.create_group("entry_1/image_1")
            image["data"], image["mask"] = frames.astype(np.float32), np.zeros((size, size), int)
            image["image_center"] = [(size - 1) / 2, (size - 1) / 2, 0]
        tool = Path(sys.executable).parent
        run = lambda *words: subprocess.run([sys.executable, *words], cwd=folder, check=True, capture_output=True)  # noqa: E731
        run(str(tool / "spi_em_create.py"), "frames.cxi")
        from spi_em_class import Classifier, config

        data = str(folder / "em_class_data.h5")
        parameters = config.load_config(data) | {
            "num_class": n_classes, "num_rot": n_rot, "friedel": True, "logscale": log,
            "binning": 1, "q_min": 0, "q_max": size // 2 - 1, "best_proba": False,
        }  # fmt: skip
        config.save_config(data, parameters)
        np.random.seed(seed)  # noqa: NPY002  its random start, which it does not seed
        classifier = Classifier(data)
        started = time.perf_counter()
        classifier.run(n_iterations)
        seconds = time.perf_counter() - started
        best = classifier.loglh.max(axis=(0, 1)).mean()
        return seconds, float(best), np.asarray(classifier.prob_vals.max(axis=1).argmax(axis=0))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--rotations", type=int, default=72)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--photons", type=float, default=2000)
    parser.add_argument("--starts", type=int, default=2, help="random starts of spi-em-class")
    parser.add_argument("--log", action="store_true")
    given = parser.parse_args()
    frames, truth = frames_of(given.frames, given.size, given.photons, 0)
    middle = (given.size - 1) / 2
    classify(np.ones((4, 2, 4), np.float32), np.ones((2, 4), np.float32), EMConfig(2, 2))  # libraries are loaded
    started = time.perf_counter()
    bins = polar_bins(frames.shape[1:], (middle, middle), None, 26, given.rotations, 0, given.size // 2 - 1)
    config = EMConfig(given.classes, given.iterations, given.log)
    ours = classify(bins.of(frames, given.log), bins.live, config, 0)
    seconds = time.perf_counter() - started
    # It has no restarts of its own: of several random starts the likeliest end is compared, and one start is timed.
    starts = [
        competitor(frames, given.classes, given.rotations, given.iterations, given.log, seed)
        for seed in range(given.starts)
    ]
    theirs_s, (_, _, theirs) = min(start[0] for start in starts), max(starts, key=lambda start: start[1])
    print(
        json.dumps(
            {
                "bench": "em",
                "frames": given.frames,
                "log": given.log,
                "ours_s": round(seconds, 4),
                "ours_frames_per_s": round(given.frames / seconds),
                "spi_em_class_s": round(theirs_s, 2),
                "times_as_fast": round(theirs_s / seconds, 1),
                "rand_to_each_other": round(adjusted_rand_score(theirs, ours.classes), 4),
                "rand_ours_to_truth": round(adjusted_rand_score(truth, ours.classes), 4),
                "rand_spi_em_class_to_truth": round(adjusted_rand_score(truth, theirs), 4),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
