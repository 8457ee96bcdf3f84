"""Megapixels per second and core summed from a megapixel detector into 128 x 128, against numpy's add.at and bincount.

Of a nominal AGIPD (16-bit values, 8 x 8 pixels summed, three quarters of the pixels on the image), as photons and as
raw ADU with dark, gain and threshold. Time is the process's own, so that a shared machine counts less.
"""

import os
import time
from collections.abc import Callable

os.environ["NUMBA_NUM_THREADS"] = "1"  # a core

import numpy as np

from bench.setting import report
from frames.pixels.table import NOWHERE, Folder, PixelTable, fold
from simulate.experiment.panels import of_panels
from simulate.experiment.tabulate import tabulate

N_FRAMES, N_REPEATS = 8, 12


def milliseconds(work: Callable[[], object], pixels: int) -> float:
    """Per megapixel, of the fastest run after one that compiles."""
    work()
    times = []
    for _ in range(N_REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / pixels * 1e9


def one_by_one(frames: np.ndarray, table: PixelTable) -> Callable[[], None]:
    """As screening folds: a frame after the other, what all share prepared once."""
    folder, image = Folder(table), np.empty((table.n_pixels, table.n_pixels), np.float32)

    def work() -> None:
        for frame in frames:
            folder.fold(frame, image)

    return work


def by_numpy(frames: np.ndarray, table: PixelTable, how: str) -> np.ndarray:
    """Images of frames, a frame after the other; dark, gain and threshold where the table has them."""
    held = table.target.ravel() != NOWHERE
    target = table.target.ravel()[held]
    images = np.zeros((len(frames), table.n_pixels**2))
    for image, frame in zip(images, frames.reshape(len(frames), -1), strict=True):
        values = frame[held]
        if table.dark is not None and table.adu_per_photon is not None and table.threshold is not None:
            photons = (values - table.dark.ravel()[held]) / table.adu_per_photon.ravel()[held]
            values = np.maximum(np.floor(photons + (np.float32(1) - table.threshold.ravel()[held])), 0)
        if how == "add.at":
            np.add.at(image, target, values)
        else:
            image[:] = np.bincount(target, values, minlength=len(image))
    return images.reshape(-1, table.n_pixels, table.n_pixels)


if __name__ == "__main__":
    pixels = of_panels("agipd1m", 700.0, 6000.0)
    generator = np.random.default_rng(0)
    photons = generator.poisson(0.3, (N_FRAMES, *pixels.shape)).astype(np.uint16)
    adu = np.round(60 * photons + generator.normal(100, 5, photons.shape)).astype(np.uint16)
    plain, raw = tabulate(pixels, 128, 8), tabulate(pixels, 128, 8, dark=100, adu_per_photon=60, threshold=0.7)
    for frames, table in ((photons, plain), (adu, raw)):
        for how in ("add.at", "bincount"):
            assert np.array_equal(fold(frames, table), by_numpy(frames, table, how))
    ours, ours_raw = (milliseconds(lambda f=f, t=t: fold(f, t), f.size) for f, t in ((photons, plain), (adu, raw)))
    single, single_raw = (milliseconds(one_by_one(f, t), f.size) for f, t in ((photons, plain), (adu, raw)))
    theirs = {
        how: milliseconds(lambda how=how: by_numpy(photons, plain, how), photons.size) for how in ("add.at", "bincount")
    }
    theirs_raw = milliseconds(lambda: by_numpy(adu, raw, "bincount"), adu.size)
    report(
        "fold",
        1e3 / ours,
        1e3 / theirs["bincount"],
        "Mpx/s a core",
        ms_per_megapixel=ours,
        ms_per_megapixel_bincount=theirs["bincount"],
        ms_per_megapixel_add_at=theirs["add.at"],
        ms_per_megapixel_raw=ours_raw,
        ms_per_megapixel_one_by_one=single,
        ms_per_megapixel_raw_one_by_one=single_raw,
        ms_per_megapixel_raw_bincount=theirs_raw,
        on_the_image=float((plain.target != NOWHERE).mean()),
    )
