"""What is shot: one row per pattern, drawn once, before anything is rendered.

| column | meaning |
| --- | --- |
| pattern | index of the row, and of the image in every dataset |
| structure | id |
| hit_multiplicity | particles in the shot |
| split | train, validation or test: each is one contiguous block of rows, shuffled inside |
| fluence_factor | the shot's fluence over the nominal one (used by datasets with `fluence_jitter: true`) |
| seed | of this pattern's own random numbers |
| orientations | one (w, x, y, z) per particle |
| positions | one (x, y, z) per particle, lab frame, Å |

A row's seed comes from the plan's seed, the structure's id, the multiplicity and a running number in that class, so a
pattern stays the same when structures or multiplicities are added or patterns_per_class grows.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from simulate import aggregates
from simulate.config import FluenceJitterConfig, PlanConfig
from simulate.detector import generator
from simulate.files import atomic_path
from simulate.orientation import random_orientations

SPLITS = ("train", "validation", "test")


def row_seed(plan_seed: int, structure: str, hit_multiplicity: int, number: int) -> int:
    """The 64-bit seed of one pattern."""
    entropy = [plan_seed, zlib.crc32(structure.encode()), hit_multiplicity, number]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


def split_of(number: int, config: PlanConfig) -> str:
    """Split of the running number of a pattern in its class: exact fractions in every class."""
    first_validation = round(config.split.train * config.patterns_per_class)
    first_test = round((config.split.train + config.split.validation) * config.patterns_per_class)
    return "train" if number < first_validation else "validation" if number < first_test else "test"


def fluence_factor(rng: np.random.Generator, jitter: FluenceJitterConfig) -> float:
    """N(1, sigma), and `floor` where that is not positive: the poster's jitter."""
    if jitter.model == "none":
        return 1.0
    factor = float(rng.normal(1.0, jitter.sigma))
    return factor if factor > 0 else jitter.floor


def draw(config: PlanConfig, radii: Mapping[str, float]) -> pd.DataFrame:
    """Draw the whole plan.

    Parameters
    ----------
    radii : radius of the bounding sphere [Å] of every structure, in the order of the config.
    """
    place = aggregates.MODELS[config.aggregate]
    rows = []
    classes = [(structure, multiplicity) for structure in radii for multiplicity in config.hit_multiplicities]
    for structure, multiplicity in tqdm(classes, desc="plan", unit="class", disable=None):
        for number in range(config.patterns_per_class):
            seed = row_seed(config.seed, structure, multiplicity, number)
            rng = generator(seed, "arrangement")
            rows.append(
                {
                    "structure": structure,
                    "hit_multiplicity": multiplicity,
                    "split": split_of(number, config),
                    "fluence_factor": fluence_factor(rng, config.fluence_jitter),
                    "seed": seed,
                    "orientations": random_orientations(rng, multiplicity),
                    "positions": place(rng, multiplicity, radii[structure]),
                }
            )
    order = np.random.default_rng(config.seed).permutation(len(rows))
    order = order[np.argsort([SPLITS.index(str(rows[i]["split"])) for i in order], kind="stable")]
    return pd.DataFrame([{"pattern": n, **rows[i]} for n, i in enumerate(order)]).astype({"seed": np.uint64})


def write(plan: pd.DataFrame, path: Path | str) -> None:
    """Write a plan as Parquet, atomically."""
    columns = {
        "pattern": pa.array(plan["pattern"], pa.int64()),
        "structure": pa.array(plan["structure"], pa.string()),
        "hit_multiplicity": pa.array(plan["hit_multiplicity"], pa.int16()),
        "split": pa.array(plan["split"], pa.string()),
        "fluence_factor": pa.array(plan["fluence_factor"], pa.float64()),
        "seed": pa.array(plan["seed"], pa.uint64()),
        "orientations": _nested(plan["orientations"], 4),
        "positions": _nested(plan["positions"], 3),
    }
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def read(path: Path | str) -> pd.DataFrame:
    """Read a plan written by `write`; orientations and positions are arrays (n_particles, 4) and (n_particles, 3)."""
    table = pq.read_table(path)
    plan = table.drop_columns(["orientations", "positions"]).to_pandas()
    for name, width in (("orientations", 4), ("positions", 3)):
        column = table[name].combine_chunks()
        offsets, values = column.offsets.to_numpy(), column.flatten().flatten().to_numpy().reshape(-1, width)
        values = values[: offsets[-1] - offsets[0]]
        plan[name] = np.split(values, offsets[1:-1] - offsets[0])
    return plan


def _nested(arrays: pd.Series, width: int) -> pa.ListArray:
    values: NDArray[np.float64] = np.concatenate(list(arrays))
    offsets = np.concatenate([[0], np.cumsum([len(array) for array in arrays])])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width)
    )
