"""Peaks of every frame of a dataset, found once; and a threshold on their number, chosen where it may be."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.pixels.peaks.config import PeakConfig
from frames.pixels.peaks.finder import Mask, find_in_frames, no_peaks
from frames.store.dataset import open_dataset
from frames.store.spots import write_peaks


def peaks_of_dataset(folder: Path, config: PeakConfig, out: Path) -> None:
    """Peaks of all frames of a complete dataset -> a file of PEAK_COLUMNS."""
    dataset = open_dataset(folder)
    mask = Mask.of(~dataset.mask)
    parts = [no_peaks()]
    for first in range(0, len(dataset), dataset.patterns_per_shard):
        rows = slice(first, min(first + dataset.patterns_per_shard, len(dataset)))
        parts.append(find_in_frames(dataset.read_raw(rows), mask, config, first))
    write_peaks(out, pd.concat([part for part in parts if len(part)] or parts, ignore_index=True))


class Agreement(NamedTuple):
    """How often a rule and the labels say the same of frames."""

    threshold: int
    """Fewest peaks of a frame that is called a hit."""
    accuracy: float
    recall: float
    precision: float
    """NaN where none is called a hit."""


def best_threshold(counts: NDArray[np.integer], is_hit: NDArray[np.bool_]) -> int:
    """The smallest number of peaks (n,) that, as fewest of a hit, agrees with most labels (n,). ValueError for none."""
    if len(counts) == 0:
        raise ValueError("there are no frames to choose a threshold on; give the validation split some")
    steps = np.unique(np.concatenate([[0], counts + 1]))
    right = [(is_hit == (counts >= step)).mean() for step in steps]
    return int(steps[int(np.argmax(right))])


def agreement(counts: NDArray[np.integer], is_hit: NDArray[np.bool_], threshold: int) -> Agreement:
    """What a threshold on numbers of peaks (n,) comes to against labels (n,)."""
    called = counts >= threshold
    both = float((called & is_hit).sum())
    return Agreement(
        threshold=threshold,
        accuracy=float((called == is_hit).mean()),
        recall=both / max(int(is_hit.sum()), 1),
        precision=both / called.sum() if called.any() else float("nan"),
    )
