"""A dataset of crystal frames as its networks take it: read once, pre-processed in every way that a run asks for.

<run>/prepared/<dataset>.npz   label, n_spots, background, and of each pre-processing <name>_image (n, p, p) float16
                               and <name>_vectors (n, 2, p) float32, rows and columns; candidates (n, k, features);
                               hot (k, 2) int32 row and column of hot pixels, which are masked, and n_looked_at, the
                               first frames by which these were found: of this dataset alone, no label is looked at
"""

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frames.files import read_arrays, write_arrays
from frames.pixels.hot import FIRST, HotPixels, hot_pixels
from frames.pixels.peaks.finder import Mask
from frames.store.hits import hit_class
from frames.store.writer import array
from train.batches.candidates import FEATURES, KEPT, candidates_of
from train.batches.contrast import VECTORS, contrasted
from train.batches.hits import HitData
from train.config.hits import HitSystem, LearningConfig
from train.progress import progress

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

logger = logging.getLogger(__name__)

UNKNOWN = -1
"""Visible spots of a frame of which nobody counted them."""

AT_ONCE = 16
"""Frames read together."""


def wanted(learning: LearningConfig) -> dict[str, set[str]]:
    """Pre-processing -> `image`, `vectors` or both; an empty name for candidates."""
    asked: dict[str, set[str]] = {}
    for system in learning.systems.values():
        asked.setdefault(system.preprocessing or "", set()).add(system.takes)
    return asked


def prepare(
    blocks: Iterable[tuple[slice, NDArray]],
    n: int,
    n_spots: NDArray[np.int64],
    learning: LearningConfig,
    name: str,
    live: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Arrays of `prepared/<dataset>.npz`, from blocks of frames (rows, ny, nx).

    ValueError naming dataset and frame for one that shows nothing, and where there are not as many labels as frames.
    """
    if len(n_spots) != n:
        raise ValueError(f"{name} has {n} frames, but {len(n_spots)} labels: are they those of another file?")
    asked = wanted(learning)
    arrays: dict[str, Any] = {"n_spots": n_spots, "label": hit_class(n_spots), "background": np.zeros(n, np.float32)}
    for how, kinds in asked.items():
        if not how:
            arrays["candidates"] = np.zeros((n, KEPT, len(FEATURES)), np.float32)
            continue
        pixels = learning.preprocessing[how].pixels
        if "image" in kinds:
            edge = learning.preprocessing[how].edge
            arrays[f"{how}_image"] = np.zeros((n, edge, edge), np.float16)
        if "vectors" in kinds:
            arrays[f"{how}_vectors"] = np.zeros((n, 2, pixels), np.float32)
    seconds = dict.fromkeys(("reading", *(how or "candidates" for how in asked)), 0.0)
    mask = None if live is None else Mask.of(live)
    clock = time.perf_counter()
    for rows, frames in blocks:
        seconds["reading"] += time.perf_counter() - clock
        for row, frame in zip(range(rows.start, rows.stop), frames, strict=True):
            arrays["background"][row] = np.median(frame)
            source = f"{name}, frame {row}"
            for how, kinds in asked.items():
                started = time.perf_counter()
                if not how:
                    arrays["candidates"][row] = candidates_of(frame, mask).features
                else:
                    made = contrasted(frame, learning.preprocessing[how], live, image="image" in kinds, source=source)
                    if "image" in kinds:
                        arrays[f"{how}_image"][row] = made.image
                    if "vectors" in kinds:
                        arrays[f"{how}_vectors"][row] = made.rows, made.columns
                seconds[how or "candidates"] += time.perf_counter() - started
        clock = time.perf_counter()
    return arrays | {f"seconds_{what}": value / n for what, value in seconds.items()}


def prepare_dataset(dataset: "Dataset", learning: LearningConfig, path: Path) -> None:
    """Write `prepared/<dataset>.npz`. Deposited frames have the class that experts told, and DIALS' number of spots."""
    n = len(dataset)
    label = dataset.labels("hit")
    n_spots = (
        np.asarray(array(dataset.group, "n_spots")[:], np.int64) if "n_spots" in dataset.group else np.full(n, UNKNOWN)
    )
    starts = progress(range(0, n, AT_ONCE), f"preparing {dataset.name}", -(-n // AT_ONCE))
    rows = (slice(start, min(start + AT_ONCE, n)) for start in starts)
    blocks = ((some, dataset.read(some)) for some in rows)
    live, hot = live_pixels(dataset)
    logger.info("%s: %s", dataset.name, hot.said)
    arrays = prepare(blocks, n, n_spots, learning, dataset.name, live)
    write_arrays(path, arrays | {"label": label, "hot": hot.places, "n_looked_at": hot.n_frames})


def live_pixels(dataset: "Dataset") -> tuple[NDArray[np.bool_], HotPixels]:
    """(ny, nx) pixels that measure, neither masked nor hot; and which are hot."""
    live = ~dataset.mask
    first = dataset.read(slice(0, min(FIRST, len(dataset))))
    hot = hot_pixels(((frame, live) for frame in first), dataset.shape[1:])
    return live & ~hot.bad, hot


def data_of(arrays: Mapping[str, Any], system: HitSystem, name: str) -> HitData:
    """What a system takes of a dataset's prepared arrays; KeyError where it was not prepared."""
    inputs = arrays[_key(system)]
    if system.takes == "vectors":
        inputs = inputs[:, VECTORS[system.vectors]]
    return HitData(name, inputs, arrays["label"], np.arange(len(arrays["label"])))


def _key(system: HitSystem) -> str:
    """Of the array that a system takes."""
    return "candidates" if system.takes == "candidates" else f"{system.preprocessing}_{system.takes}"


def read_prepared(path: Path, system: HitSystem | None = None) -> dict[str, Any]:
    """What `prepare_dataset` wrote, or what a system takes of it. FileNotFoundError; ValueError for a damaged file."""
    return read_arrays(path, None if system is None else ("label", _key(system)))
