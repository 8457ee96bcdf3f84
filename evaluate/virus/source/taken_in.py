"""Recorded frames with a person's labels as a dataset, so that all that follows reads it like a simulated one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from evaluate.virus import files
from evaluate.virus.files import OTHER, SINGLE
from evaluate.virus.source.config import FilesConfig
from frames.files import sha256, write_json, write_table
from frames.formats.spi.labels import Labels
from frames.formats.spi.recording import Recording
from frames.geometry import Geometry, flat, wavelength
from frames.labels import Label
from frames.provenance import json_digest, versions
from frames.readout.config import ReadoutConfig
from frames.rng import mix
from frames.store import integrity, writer
from frames.store.config import StorageConfig
from frames.store.layout import Layout
from frames.targets import Target

MANUAL = Target("manual", (OTHER, SINGLE), kept=SINGLE)
"""What a person calls a frame"""

MOST = 65_534
"""Photons of a pixel that a store holds"""


def take_in(folder: Path, config: FilesConfig, storage: StorageConfig) -> None:
    """Write the store of all frames, the plan that says where each is from, the geometry, and the beam's place.

    Stores hold whole photons: a reading is rounded, and one below half a photon is none. Frames that are left out are
    stored without a photon, so that the others keep their numbers; nothing calls these hits.

    Raises
    ------
    FileNotFoundError; ValueError naming file and frame for what cannot be read, or is too bright.
    """
    recording = config.recording()
    labels, geometry = config.labelled(recording), geometry_of(recording)
    table, store = _table(recording, labels), files.dataset_folder(folder)
    layout = Layout(
        n_patterns=len(recording),
        image_shape=geometry.shape,
        record="photons",
        patterns_per_chunk=storage.patterns_per_chunk,
        patterns_per_shard=storage.patterns_per_shard,
        targets=(MANUAL,),
        readout=ReadoutConfig().model_dump(mode="json"),
    )
    known = {
        "manual": writer.target_label(MANUAL, table["manual"].to_numpy()),
        "split": writer.split_label(["test"] * len(recording)),  # which frames networks learn from comes later
        "seed": writer.seed_label(mix(np.arange(len(recording), dtype=np.uint64))),
        "frame": Label(table["frame"].to_numpy(np.int64), {"units": "1", "long_name": "number of the frame"}),
        "row": Label(table["row"].to_numpy(np.int64), {"units": "1", "long_name": "number of the frame in its file"}),
    }
    writer.create(store, layout, known, writer.pixel_maps(geometry.live), title="Recorded frames of a virus")
    made_from = json_digest({"files": [sha256(path) for path in config.frames], "said": str(recording.said)})
    for shard in range(layout.n_shards):
        writer.write_shard(store, layout, shard, _photons(recording, layout.rows(shard)), made_from)
    geometry.save(files.geometry_file(folder))
    write_json(files.beam_file(folder), dict(zip(("column", "row"), recording.centre, strict=True)))
    write_table(files.plan_file(folder), pa.Table.from_pandas(table, preserve_index=False))
    integrity.complete(store, {"origin": recording.source, "versions": versions()})


def geometry_of(recording: Recording) -> Geometry:
    """Where the pixels lie. ValueError where neither files nor config say energy, distance or pixel size."""
    energy, distance, size = map(recording.instrument, ("photon_energy_eV", "distance_mm", "pixel_size_um"))
    column, row = recording.centre
    return flat(wavelength(energy), distance, size, row, column, np.asarray(~recording.mask, np.float64))


def _table(recording: Recording, labels: Labels) -> pd.DataFrame:
    """A row a frame: its number, file and row there, the person's answer and split; empty where there is none."""
    n = len(recording)
    manual, split = np.full(n, "", object), np.full(n, "", object)
    manual[labels.frames] = np.where(labels.is_single, SINGLE, OTHER)
    if labels.split:
        split[labels.frames] = labels.split
    origin, row = recording.origin()
    return pd.DataFrame(
        {"frame": np.arange(n), "split": split, "kind": "", "truth": "", "manual": manual, "diameter_nm": np.nan,
         "fluence": np.nan, "file": origin, "row": row}
    )  # fmt: skip


def _photons(recording: Recording, rows: slice) -> np.ndarray:
    """(rows, ny, nx) whole photons; ValueError naming the frame of a pixel that is too bright."""
    photons = np.rint(recording.read(rows))
    brightest = photons.max((1, 2))
    if (brightest > MOST).any():
        frame = rows.start + int((brightest > MOST).argmax())
        raise ValueError(
            f"{recording.source}: frame {frame} has a pixel of {brightest.max():.0f} photons, more than {MOST}; say "
            "what the file counts for a photon (virus.files.photon), or mask the pixel"
        )
    return np.asarray(np.maximum(photons, 0).astype(np.uint16))
