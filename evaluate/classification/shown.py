"""What figures show of the patterns: the tables classes, photons and radial, and a pattern of every class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.classification.resolution import Resolution
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import radial_condition
from evaluate.table_files import write_table
from frames.files import read_arrays, write_arrays
from frames.geometry import Geometry
from frames.labels import SPLITS
from frames.store.dataset import Dataset, open_dataset

RADIAL_PATTERNS = 2048
"""Test patterns that are read for the radial profiles; the single hits among them are averaged."""

_DATASET = {"run": "name of the run", "dataset": "dataset of the run: how its patterns were recorded"}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "classes": {
        **_DATASET,
        "structure": "structure; none: no particle was hit",
        "hit_multiplicity": "particles in the shot",
        **{split: f"patterns of this class in the {split} split" for split in SPLITS},
        "photons_mean": "mean photons in a pattern, background included",
    },
    "photons": {
        **_DATASET,
        "hit_multiplicity": "particles in the shot",
        "low": "lower edge of a bin [photons in a pattern]",
        "high": "upper edge",
        "n": "patterns in the bin",
    },
    "radial": {
        **_DATASET,
        "structure": "structure of single hits",
        "s": "1/resolution, middle of a ring around the beam [1/nm]",
        "photons": "mean per pixel of the ring; empty where no pixel is usable",
    },
}
"""Table that `write_shown` writes -> column -> meaning."""


class Examples(NamedTuple):
    """A test pattern of every class of a dataset."""

    patterns: NDArray[np.float32]
    """(n_structures, n_multiplicities, ny, nx) [photons], NaN where masked"""
    pixel_s: float
    """width of a pixel, as s = 1/resolution [1/nm]"""
    counted: NDArray[np.int64] | None
    """(n_structures, n_multiplicities) photons in each pattern; None of expected photons"""


def write_shown(files: RunFiles, config: RunConfig, provenance: Mapping[str, Any]) -> None:
    """Write the tables, and the examples of every dataset."""
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    for name in config.simulation.datasets:
        dataset = open_dataset(files.dataset(name))
        resolution = Resolution.of(Geometry.load(files.geometry(name)))
        write_examples(files.examples(name), examples(dataset, resolution.pixel))
        found = {"classes": pd.DataFrame(dataset.card["classes"]), "photons": _histogram(dataset)}
        if name == radial_condition(config):
            found["radial"] = radial_profiles(dataset, resolution)
        for table, rows in found.items():
            tables[table].append(rows.assign(run=config.run, dataset=name))
    for table, parts in tables.items():
        if parts:
            write_table(pd.concat(parts), files.table(table), COLUMNS[table], provenance)


def examples(dataset: Dataset, pixel_s: float) -> Examples:
    """The first test pattern of every class; of shots that hit nothing another one beside each structure."""
    test = dataset.splits["test"]
    structure, count = dataset.structure[test], dataset.count[test]
    shape = len(dataset.structures), len(dataset.hit_multiplicities)
    patterns = np.empty((*shape, *dataset.shape[1:]), np.float32)
    counted = np.empty(shape, np.int64)
    for index in np.ndindex(shape):
        if dataset.hit_multiplicities[index[1]]:
            row = test.start + int(np.argmax((structure == index[0]) & (count == index[1])))
        else:
            empty = np.flatnonzero(structure < 0)
            row = test.start + int(empty[index[0] % len(empty)])
        patterns[index] = dataset.read(slice(row, row + 1))[0]
        counted[index] = dataset.read_raw(slice(row, row + 1)).sum()
    patterns[..., dataset.mask] = np.nan
    return Examples(patterns, pixel_s, None if dataset.record == "expected" else counted)


def write_examples(path: Path, shown: Examples) -> None:
    """Write as `.npz`, atomically."""
    arrays = {name: value for name, value in shown._asdict().items() if value is not None}
    write_arrays(path, arrays, compress=True)


def read_examples(path: Path) -> Examples:
    """What `write_examples` wrote; FileNotFoundError where it is not there."""
    arrays = read_arrays(path)
    return Examples(arrays["patterns"], arrays["pixel_s"], arrays.get("counted"))


def _histogram(dataset: Dataset) -> pd.DataFrame:
    """Rows of photons.csv, from the dataset's card."""
    histogram = dataset.card["photons_per_pattern"]["histogram"]
    low, high = histogram["edges"][:-1], histogram["edges"][1:]
    return pd.concat(
        pd.DataFrame({"hit_multiplicity": int(multiplicity), "low": low, "high": high, "n": n})
        for multiplicity, n in histogram["counts"].items()
    )


def radial_profiles(dataset: Dataset, resolution: Resolution) -> pd.DataFrame:
    """Rows of radial.csv: mean photons per pixel of each structure's single hits by ring."""
    test = dataset.splits["test"]
    rows = slice(test.start, min(test.stop, test.start + RADIAL_PATTERNS))
    images = dataset.read(rows)
    single, structure = dataset.hit_multiplicity[rows] == 1, dataset.structure[rows]
    chosen = {name: single & (structure == index) for index, name in enumerate(dataset.structures)}
    return pd.concat(
        pd.DataFrame(
            {
                "structure": name,
                "s": resolution.ring_middles,
                "photons": resolution.radial_mean(images[some].mean(axis=0)),
            }
        )
        for name, some in chosen.items()
        if some.any()
    )
