"""Writing a dataset: a Zarr v3 group of whole shards, each with a marker that says what it holds.

    <folder>/patterns.zarr      photons (uint16) or expected_photons (float32), (pattern, y, x), and all labels
    <folder>/layout.json        written when the empty store stands: what it will hold
    <folder>/shards/00000.json  written after each shard: its sha256 and what it was made from
    <folder>/dataset.json       written last, by `integrity.complete`: the card, with the sha256 of every shard

One task writes one whole shard and no other touches it, so a shard is there or it is not; writing one again gives the
same bytes.
"""

import hashlib
import os
import shutil
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer as AnyBuffer
from zarr.buffer.cpu import Buffer
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from frames.files import atomic_path, sha256, write_json
from frames.labels import SPLITS
from frames.store.encoding import NOT_A_COUNT, round_mantissa
from frames.store.layout import Layout

IMAGES: Mapping[str, tuple[str, str]] = {"expected": ("expected_photons", "float32"), "photons": ("photons", "uint16")}
COMPRESSORS = {
    # Of counts, most bytes are zero: zstd makes them half as long as lz4 does. Expected photons are half noise to any
    # compressor: lz4 takes a third of the time and 3 % more bytes.
    "photons": BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
    "expected": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
}


@dataclass(frozen=True)
class Pulses:
    """What the pulse of each shot was."""

    fluence: NDArray[np.float64]
    """(n,) mean over the shot's particles; without one, on the axis [photons/µm²]."""
    photon_energy_eV: NDArray[np.float64]
    """(n,)"""
    beam_centre: NDArray[np.float64]
    """(n, 2) where the beam meets the detector, x and y from the middle of the image [pixels]."""
    pulse_factor: NDArray[np.float64]
    """(n,) photons of the pulse over the nominal number."""


def create(folder: Path, layout: Layout, table: pd.DataFrame, pulses: Pulses, live: NDArray[np.float64]) -> None:
    """Make the empty store with all labels; `layout.json` comes last.

    A store that stands with the very same arrays and labels, or with some of these, keeps its shards and is given what
    it lacks: only what is made of them on reading may have changed, and each shard's marker says what it was made from.
    Any other is replaced.

    Parameters
    ----------
    table : rows as in `Plan.table`, len(table) == layout.n_patterns.
    live :  image_shape, share of each pixel that counts photons; 0 where unusable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for marker in (folder / "dataset.json", folder / "layout.json"):
        marker.unlink(missing_ok=True)
    standing = folder / "patterns.zarr"
    unfinished = folder / f".patterns-{uuid.uuid4().hex[:8]}.zarr"
    try:
        group = zarr.create_group(unfinished, zarr_format=3, attributes=_group_attributes(layout))
        _create_images(group, layout)
        _write_labels(group, layout, table, pulses, live)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Consolidated metadata")  # no part of Zarr 3 yet: others leave it alone
            zarr.consolidate_metadata(group.store)
        files = _sums(unfinished, layout)
        # The group's own attributes name the readout; they may differ.
        there = {**_sums(standing, layout), "zarr.json": files["zarr.json"]}
        if len(there) > 1 and there.items() <= files.items():
            for name in ["zarr.json", *(files.keys() - there.keys())]:
                (standing / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(unfinished / name, standing / name)
        else:
            shutil.rmtree(folder / "shards", ignore_errors=True)
            shutil.rmtree(standing, ignore_errors=True)
            unfinished.rename(standing)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    files = {f"patterns.zarr/{name}": digest for name, digest in files.items()}
    write_json(folder / "layout.json", {**layout.__dict__, "files": files})


def _sums(store: Path, layout: Layout) -> dict[str, str]:
    """sha256 of every file of a store but its shards, by path in the store; none where there is no store."""
    shards = store / IMAGES[layout.record][0] / "c"
    files = (file for file in sorted(store.rglob("*")) if file.is_file() and not file.is_relative_to(shards))
    return {str(file.relative_to(store)): sha256(file) for file in files}


def _group_attributes(layout: Layout) -> dict[str, Any]:
    return {
        "title": "Simulated X-ray single-particle diffraction patterns",
        "conventions": "image[y, x]; units as in the attributes; see docs/conventions.md of singlehit",
        "readout": layout.readout,
        "readout_comment": "what the detector makes of the photons: applied on reading, not in what is stored; "
        "of saturation_photons alone, stored counts go no further",
    }


def _create_images(group: zarr.Group, layout: Layout) -> None:
    name, dtype = IMAGES[layout.record]
    group.create_array(
        name,
        shape=(layout.n_patterns, *layout.image_shape),
        dtype=dtype,
        chunks=(layout.patterns_per_chunk, *layout.image_shape),
        shards=(layout.patterns_per_shard, *layout.image_shape),
        compressors=COMPRESSORS[layout.record],
        # Never recorded: what was not written cannot be taken for dark patterns, and dark patterns have a file.
        fill_value=NOT_A_COUNT if layout.record == "photons" else np.nan,
        dimension_names=("pattern", "y", "x"),
        attributes={
            "units": "photons",
            "long_name": "mean number of photons" if layout.record == "expected" else "number of photons",
            "coordinates": "structure hit_multiplicity split seed fluence photon_energy_eV pulse_factor",
        },
    )


def _write_labels(
    group: zarr.Group, layout: Layout, table: pd.DataFrame, pulses: Pulses, live: NDArray[np.float64]
) -> None:
    def add(name: str, values: NDArray, dimensions: tuple[str, ...], **attributes: Any) -> None:
        label = group.create_array(
            name, shape=values.shape, dtype=values.dtype, dimension_names=dimensions, attributes=attributes
        )
        label[...] = values

    def codes(column: str, meanings: tuple[str, ...]) -> NDArray[np.int16]:
        return pd.Index(meanings).get_indexer(table[column]).astype(np.int16)  # -1 for any other

    structures, splits = layout.structures, SPLITS
    per_pattern = ("pattern",)
    add(
        "structure",
        codes("structure", structures),
        per_pattern,
        flag_meanings=list(structures),
        long_name="structure",
        comment="-1: no particle was hit",
    )
    add("split", codes("split", splits), per_pattern, flag_meanings=list(splits), long_name="split of the plan")
    add(
        "hit_multiplicity",
        table["hit_multiplicity"].to_numpy(np.int16),
        per_pattern,
        units="1",
        long_name="particles in the shot",
    )
    add("seed", table["seed"].to_numpy(np.uint64), per_pattern, long_name="seed of the pattern's random numbers")
    for name, values, units, long_name in (
        ("fluence", pulses.fluence, "photons/um^2", "fluence of the shot, mean over its particles"),
        ("photon_energy_eV", pulses.photon_energy_eV, "eV", "photon energy of the shot"),
        ("pulse_factor", pulses.pulse_factor, "1", "photons of the pulse over the nominal number"),
    ):
        add(name, values.astype(np.float32), per_pattern, units=units, long_name=long_name)
    add(
        "beam_centre",
        pulses.beam_centre.astype(np.float32),
        ("pattern", "xy"),
        units="pixel",
        long_name="where the beam meets the detector, x and y from the middle of the image",
    )
    add("live", live.astype(np.float32), ("y", "x"), units="1", long_name="share of the pixel that counts photons")
    add("mask", live == 0, ("y", "x"), long_name="True where the pixel is unusable")
    for axis, size in zip(("y", "x"), layout.image_shape, strict=True):
        add(
            axis,
            np.arange(size) - (size - 1) / 2,
            (axis,),
            units="pixel",
            long_name=f"{axis} from the middle of the image",
        )


def shard_file(folder: Path, layout: Layout, shard: int) -> Path:
    """The one file that holds a shard of images."""
    return folder / "patterns.zarr" / IMAGES[layout.record][0] / "c" / str(shard) / "0" / "0"


def shard_marker(folder: Path, shard: int) -> Path:
    """The JSON that says a shard is complete."""
    return folder / "shards" / f"{shard:05d}.json"


def write_shard(folder: Path, layout: Layout, shard: int, images: NDArray, made_from: str) -> dict[str, Any]:
    """Write one whole shard and then its marker; returns what the marker says.

    Parameters
    ----------
    images :    (rows, ny, nx); expected photons are rounded to 13 significant bits, a relative 1.2e-4, before storage.
    made_from : digest of everything that the images depend on.
    """
    rows = layout.rows(shard)
    name, dtype = IMAGES[layout.record]
    expected_shape = (rows.stop - rows.start, *layout.image_shape)
    if images.shape != expected_shape or images.dtype != dtype:
        raise ValueError(f"shard {shard}: images {images.dtype} {images.shape}, expected {dtype} {expected_shape}")
    content = _encoded(folder / "patterns.zarr" / name, rows, images)
    shard_marker(folder, shard).unlink(missing_ok=True)
    file = shard_file(folder, layout, shard)
    with atomic_path(file) as temporary:
        temporary.write_bytes(content)
    marker = {
        "shard": shard,
        "rows": [rows.start, rows.stop],
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "made_from": made_from,
        "photons_per_pattern": [round(float(total), 4) for total in images.sum(axis=(1, 2), dtype=np.float64)],
    }
    write_json(shard_marker(folder, shard), marker)
    return marker


def _encoded(stored: Path, rows: slice, images: NDArray) -> bytes:
    """The file of the shard that holds these rows of an array.

    It is made in memory and not by writing to the store: zarr would first read what is there, which may be damaged, and
    two jobs at work on one shard, as after a driver was killed, would take each other's file away.
    """
    files: dict[str, AnyBuffer] = {"zarr.json": Buffer.from_bytes((stored / "zarr.json").read_bytes())}
    # Every chunk is written, so none has to be compared with the fill value, which takes as long as compressing it.
    array = zarr.open_array(MemoryStore(files), mode="r+", config={"write_empty_chunks": True})
    array[rows] = round_mantissa(images) if images.dtype == np.float32 else images
    del files["zarr.json"]
    (shard,) = files.values()
    return shard.to_bytes()


def array(group: zarr.Group, name: str) -> Any:
    """An array of a store; zarr's own type does not say that indexing one gives numpy arrays."""
    return group[name]
