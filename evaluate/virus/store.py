"""An experiment as a run's files hold it."""

from pathlib import Path

import numpy as np

from evaluate.virus.files import dataset_folder, read_splits, splits_file
from evaluate.virus.methods import Experiment
from frames.store.dataset import open_dataset


def read_experiment(folder: Path, centre: tuple[float, float]) -> Experiment:
    """Frames of the splits of a run's folder, with the detector's mask; the beam at `centre` (x, y) [pixels].

    FileNotFoundError; ValueError for a damaged file, or a frame that the store lacks.
    """
    splits = read_splits(splits_file(folder))
    dataset = open_dataset(dataset_folder(folder))
    wanted = splits["frame"].to_numpy()
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(dataset):
        raise ValueError(
            f"{splits_file(folder)} names frame {wanted.max()}, but {dataset_folder(folder)} holds {len(dataset)}; "
            "make both anew"
        )
    frames = np.empty((len(wanted), *dataset.shape[1:]), np.float32)
    step = dataset.patterns_per_shard
    for start in range(0, len(dataset), step):
        here = np.flatnonzero((wanted >= start) & (wanted < start + step))
        if len(here):
            block = dataset.read(slice(start, min(start + step, len(dataset))))
            frames[here] = block[wanted[here] - start]
    return Experiment(frames, splits, dataset.mask, centre)
