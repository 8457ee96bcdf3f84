"""Small complete datasets for tests."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.labels import SPLITS
from frames.readout.config import ReadoutConfig
from frames.store import integrity, writer
from frames.store.layout import Layout, Record
from frames.targets import shot_targets
from simulate.render import labels


def make_dataset(
    folder: Path,
    images: NDArray,
    structure: list[str] | NDArray[np.str_],
    hit_multiplicity: list[int] | NDArray[np.int64],
    split: list[str] | NDArray[np.str_] | None = None,
    *,
    patterns_per_shard: int = 16,
    patterns_per_chunk: int = 4,
    read_noise_photons: float = 0.0,
    mask: NDArray[np.bool_] | None = None,
) -> Path:
    """Write images (n, ny, nx), uint16 counts or float32 expectations, as a complete dataset.

    The structure is "" where no particle was hit, multiplicity 0. Rows must be ordered by
    split; by default the first 70 % train, the next 10 % validate, the rest test.
    """
    n = len(images)
    if split is None:
        split = [SPLITS[0] if i < 0.7 * n else SPLITS[1] if i < 0.8 * n else SPLITS[2] for i in range(n)]
    record: Record = "photons" if images.dtype == np.uint16 else "expected"
    layout = Layout(
        n_patterns=n,
        image_shape=(images.shape[1], images.shape[2]),
        record=record,
        patterns_per_chunk=patterns_per_chunk,
        patterns_per_shard=patterns_per_shard,
        targets=shot_targets(sorted(set(structure) - {""}), sorted({int(m) for m in hit_multiplicity})),
        readout=ReadoutConfig(read_noise_photons=read_noise_photons).model_dump(mode="json"),
    )
    table = pd.DataFrame(
        {
            "structure": structure,
            "hit_multiplicity": hit_multiplicity,
            "split": split,
            "seed": np.arange(1000, 1000 + n, dtype=np.uint64),
        }
    )
    pulses = labels.Pulses(np.full(n, 1e12), np.full(n, 4600.0), np.zeros((n, 2)), np.ones(n))
    live = np.ones(layout.image_shape) if mask is None else 1.0 - mask
    labels.create(folder, layout, table, pulses, live)
    for shard in range(layout.n_shards):
        writer.write_shard(folder, layout, shard, images[layout.rows(shard)], made_from="test")
    integrity.complete(folder, {})
    return folder
