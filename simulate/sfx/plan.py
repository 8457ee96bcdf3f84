"""What each frame of a dataset shows, a row for each: drawn once, before anything is rendered.

| column | meaning |
| --- | --- |
| frame | row of the dataset |
| hit | miss, maybe or hit |
| n_spots | visible spots it will have |
| blank | whether a miss shows no crystal at all, nor ice, nor a streak |
| seed | of all else of this frame |
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import norm

from frames.files import read_table, write_table
from frames.rng import mix, uniforms
from frames.store.hits import HIT, HIT_CLASSES, MAYBE
from simulate.sfx.config import FramesConfig

COLUMNS = ("frame", "hit", "n_spots", "blank", "seed")


def draw(config: FramesConfig, seed: int) -> pd.DataFrame:
    """The plan of a dataset.

    A frame's seed comes from the dataset's, its class and its number in the class, and all else of it from its seed:
    it stays the same when more frames are asked for, but for its row.
    """
    parts = []
    for code, name in enumerate(HIT_CLASSES):
        number = np.arange(getattr(config, name), dtype=np.uint64)
        seeds = mix(number ^ mix(np.asarray(code, np.uint64) ^ mix(np.asarray(seed, np.uint64))))
        u = uniforms(seeds, "n_spots", 3)
        blank = (u[:, 1] < config.blank_share) & (name == "miss")
        n_spots = np.where(blank, 0, spots_of(name, u[:, 0], config))
        parts.append(pd.DataFrame({"hit": name, "n_spots": n_spots, "blank": blank, "seed": seeds, "order": u[:, 2]}))
    table = pd.concat(parts, ignore_index=True)
    # Misses are drawn towards the end: a uniform number, or the larger of two.
    later = uniforms(table["seed"].to_numpy(), "n_spots", 5)[:, 3:]
    pulled = (table["hit"] == "miss") & (later[:, 0] < config.drift)
    order = np.where(pulled, np.maximum(table["order"], later[:, 1]), table["order"])
    table = table.drop(columns="order").iloc[np.argsort(order, kind="stable")].reset_index(drop=True)
    table.insert(0, "frame", np.arange(len(table)))
    return table


def spots_of(name: str, u: NDArray[np.float64], config: FramesConfig) -> NDArray[np.int64]:
    """(n,) visible spots of frames of a class, at uniform numbers (n,).

    Misses and maybes: each number equally often. Hits: 9 more than a log-normal number of the given median, up to the
    most; of these the quantile at u, so fewer spots stay fewer when the config changes.
    """
    if name == "miss":
        return np.floor(u * MAYBE).astype(np.int64)
    if name == "maybe":
        return MAYBE + np.floor(u * (HIT - MAYBE)).astype(np.int64)
    middle, below = np.log(config.median_spots - HIT + 1), HIT - 1
    lowest, highest = (
        norm.cdf((np.log(edge - below) - middle) / config.spots_spread) for edge in (HIT - 0.5, config.most_spots + 0.5)
    )
    # The median of what is left between the two is the one asked for, if u is bent so that 1/2 goes there.
    quantile = np.where(u < 0.5, lowest + (0.5 - lowest) * 2 * u, 0.5 + (highest - 0.5) * (2 * u - 1))
    return np.rint(below + np.exp(middle + config.spots_spread * norm.ppf(quantile))).astype(np.int64)


def write(plan: pd.DataFrame, path: Path) -> None:
    """Write a plan, atomically."""
    write_table(path, pa.Table.from_pandas(plan[list(COLUMNS)], preserve_index=False))


def read(path: Path) -> pd.DataFrame:
    """What `write` wrote. FileNotFoundError; ValueError for a damaged file."""
    return read_table(path).to_pandas()
