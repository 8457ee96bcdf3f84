"""Peaks of every frame of a dataset, found once."""

from pathlib import Path

import pandas as pd

from evaluate.sfx.prepared import live_pixels
from frames.pixels.peaks.config import PeakConfig
from frames.pixels.peaks.finder import Mask, find_in_frames, no_peaks
from frames.store.dataset import open_dataset
from frames.store.spots import write_peaks


def peaks_of_dataset(folder: Path, config: PeakConfig, out: Path) -> None:
    """Peaks of all frames of a complete dataset, its hot pixels masked -> a file of PEAK_COLUMNS."""
    dataset = open_dataset(folder)
    mask = Mask.of(live_pixels(dataset)[0])
    parts = [no_peaks()]
    for first in range(0, len(dataset), dataset.patterns_per_shard):
        rows = slice(first, min(first + dataset.patterns_per_shard, len(dataset)))
        parts.append(find_in_frames(dataset.read_raw(rows), mask, config, first))
    write_peaks(out, pd.concat([part for part in parts if len(part)] or parts, ignore_index=True))
