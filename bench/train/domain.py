"""Which frames are in the domain of networks trained on a demo's datasets: the tables of docs/guide/selecting.md.

python -m bench.train.domain results/demo

A line of JSON for each dataset and kind of network: of 1,000 test patterns, changed in one way each, and of those of
structures held out, the share inside and the share far outside.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.store.dataset import open_dataset
from train.config.recipe import Recipe
from train.inference.domain import Domain, domain_of
from train.inference.features import measure

N = 1000
RECIPES = {
    "sees photons": Recipe(input_transform="photons"),
    "standardised": Recipe(input_transform="standardise"),
    "with parts missing": Recipe(input_transform="photons", detector_dropout=0.5),
}


def times(factor: float, frames: NDArray) -> NDArray:
    """Another fluence of what has no noise."""
    return factor * frames


def counted(frames: NDArray) -> NDArray:
    """Photons drawn as if the frames were expectations."""
    return np.random.default_rng(0).poisson(np.maximum(frames, 0)).astype(np.float32)


def half(frames: NDArray) -> NDArray:
    """The left half dead."""
    return np.where(np.arange(frames.shape[2]) < frames.shape[2] // 2, 0, frames)


def quarter(frames: NDArray) -> NDArray:
    """A quarter dead."""
    return np.where(np.arange(frames.shape[1])[:, None] < frames.shape[1] // 2, half(frames), frames)


def binned(frames: NDArray) -> NDArray:
    """Two by two pixels summed, in the middle of as large an image."""
    n, ny, nx = frames.shape
    summed = frames.reshape(n, ny // 2, 2, nx // 2, 2).sum((2, 4))
    return np.pad(summed, ((0, 0), (ny // 4, ny // 4), (nx // 4, nx // 4)))


CHANGES: dict[str, Callable[[NDArray], NDArray]] = {
    "as they are": partial(times, 1),
    "zeros": partial(times, 0),
    "one value": lambda frames: np.full_like(frames, 3),
    "negative": partial(times, -1),
    "counted": counted,
    **{f"times {factor:g}": partial(times, factor) for factor in (130, 100, 10, 3, 1 / 3, 0.1, 0.01)},
    "quarter missing": quarter,
    "half missing": half,
    **{f"off by {pixels}": partial(np.roll, shift=pixels, axis=2) for pixels in (1, 2, 3, 5, 10)},
    "binned": binned,
    "x and y exchanged": lambda frames: frames.transpose(0, 2, 1),
}


def judged(domain: Domain, frames: NDArray) -> tuple[float, float]:
    """Shares of the frames that are inside, and that are far outside."""
    compared = domain.compared(measure(frames))
    return round(float(domain.inside(compared).mean()), 4), round(1 - float(domain.near(compared).mean()), 4)


if __name__ == "__main__":
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("datasets/*/dataset.json"))
    datasets = {folder.name: open_dataset(folder) for folder in folders}
    rows = {
        name: slice(dataset.splits["test"].start, dataset.splits["test"].start + N)
        for name, dataset in datasets.items()
    }
    for name, dataset in datasets.items():
        frames, shown = dataset.read(rows[name]).astype(np.float32), dataset.structure[rows[name]]
        for kind, recipe in RECIPES.items():
            domain = domain_of(dataset, recipe)
            found = {what: judged(domain, change(frames)) for what, change in CHANGES.items()}
            for other in datasets.keys() - {name}:
                found[other] = judged(domain, datasets[other].read(rows[other]))
                if datasets[other].record == "photons":
                    found[f"{other}, counts"] = judged(domain, datasets[other].read_raw(rows[other]))
            for number, structure in enumerate(dataset.structures):
                others = [seen for seen in range(len(dataset.structures)) if seen != number]
                held_out = judged(domain_of(dataset, recipe, others), frames[shown == number])
                found[f"{structure}, held out"] = held_out
            print(json.dumps({"dataset": name, "network": kind, "inside, far": found}), flush=True)
