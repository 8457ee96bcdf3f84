"""A deposited set of CXIDB-76 as a dataset, so that all that follows reads it like a simulated one."""

from pathlib import Path

import numpy as np

from frames.formats.cxidb76 import SETS, read_dials, read_expert, read_idh5
from frames.provenance import json_digest, versions
from frames.readout.config import ReadoutConfig
from frames.rng import mix
from frames.store import integrity, writer
from frames.store.config import StorageConfig
from frames.store.hits import HIT_CLASSES, HIT_TARGET
from frames.store.layout import Layout


def take_in(folder: Path, name: str, out: Path, storage: StorageConfig) -> None:
    """The frames and labels of a set -> a complete dataset.

    Stores hold uint16: negative readings become 0, as Ke et al. have them, and no reading goes beyond 65,534. `n_spots`
    is what DIALS counted; nobody knows the true spots, so there is no spots.parquet.

    Raises
    ------
    FileNotFoundError; ValueError for files that are damaged, or labels of another number of frames.
    """
    where = SETS[name.upper()]
    frames = read_idh5(folder / where.images)
    n = len(frames)
    expert, dials = read_expert(folder / where.expert, n), read_dials(folder / where.dials, n)
    layout = Layout(
        n_patterns=n,
        image_shape=(frames.shape[1], frames.shape[2]),
        record="adu",
        patterns_per_chunk=storage.patterns_per_chunk,
        patterns_per_shard=storage.patterns_per_shard,
        targets=(HIT_TARGET,),
        readout=ReadoutConfig().model_dump(mode="json"),
    )
    # Whatever is bad in the first frames is bad in all: idh5 has no mask, but a smallest value to be trusted.
    bad = np.zeros(layout.image_shape, bool) if frames.bad is None else frames.bad(slice(0, min(n, 8))).all(axis=0)
    labels = {
        "hit": writer.target_label(HIT_TARGET, np.array(HIT_CLASSES)[expert]),
        "split": writer.split_label(["test"] * n),
        "seed": writer.seed_label(mix(np.arange(n, dtype=np.uint64))),
        "n_spots": writer.Label(
            dials["n_spots"].to_numpy(np.int32), {"units": "1", "long_name": "spots that DIALS counted"}
        ),
    }
    writer.create(out, layout, labels, writer.pixel_maps(np.asarray(~bad, np.float64)), title=f"CXIDB-76, {name}")
    made_from = json_digest({"set": name, "frames": n, "bytes": (folder / where.images).stat().st_size})
    for shard in range(layout.n_shards):
        images = np.clip(frames.fetch(layout.rows(shard)), 0, 65_534).astype(np.uint16)
        writer.write_shard(out, layout, shard, images, made_from)
    integrity.complete(out, {"origin": f"CXIDB-76 {where.images}", "versions": versions()})
