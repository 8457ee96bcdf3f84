"""Writing a dataset: a Zarr v3 group of whole shards, each with a marker that says what it holds.

    <folder>/patterns.zarr      photons (uint16), expected_photons (float32) or adu (uint16), with all labels
    <folder>/layout.json        written when the empty store stands: what it will hold
    <folder>/shards/00000.json  written after each shard: its sha256 and what it was made from
    <folder>/dataset.json       written last, by `integrity.complete`: the card, with the sha256 of every shard

One task writes one whole shard and no other touches it, so a shard is there or it is not; writing one again gives the
same bytes.

Whatever was recorded, a store is made in the same way. Here frames are told to be crystals or not, of one of two kinds:

>>> from frames.readout.config import ReadoutConfig
>>> from frames.targets import Target
>>> layout = Layout(
...     n_patterns=3,
...     image_shape=(4, 4),
...     record="adu",
...     patterns_per_chunk=1,
...     patterns_per_shard=2,
...     targets=(Target("hit", ("miss", "hit"), kept="hit"), Target("crystal", ("lysozyme", "thaumatin"))),
...     readout=ReadoutConfig().model_dump(mode="json"),
... )
>>> labels = {
...     "hit": target_label(layout.target("hit"), ["hit", "miss", "hit"]),
...     "crystal": target_label(layout.target("crystal"), ["lysozyme", "", "thaumatin"], comment="-1: none was hit"),
...     "split": split_label(["train", "validation", "test"]),
...     "seed": seed_label([1, 2, 3]),
...     "n_peaks": Label(np.array([31, 0, 17], np.int32), {"units": "1", "long_name": "Bragg peaks"}),
... }
>>> create(Path("crystals"), layout, labels, pixel_maps(np.ones((4, 4))), title="Frames of crystals")  # doctest: +SKIP
>>> write_shard(Path("crystals"), layout, 0, np.zeros((2, 4, 4), np.uint16), made_from="...")  # doctest: +SKIP

and so the other shard; then `integrity.complete(Path("crystals"), {})` checks all and writes the card.
"""

import hashlib
import os
import shutil
import uuid
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer as AnyBuffer
from zarr.buffer.cpu import Buffer
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from frames.files import atomic_path, sha256, write_json
from frames.labels import SPLITS, Label
from frames.readout.config import ReadoutConfig
from frames.store.encoding import NOT_A_COUNT, round_mantissa
from frames.store.layout import Layout, Record
from frames.targets import Target

IMAGES: Mapping[Record, tuple[str, str]] = {
    "expected": ("expected_photons", "float32"),
    "photons": ("photons", "uint16"),
    "adu": ("adu", "uint16"),
}
LONG_NAMES = {
    "expected": "mean number of photons",
    "photons": "number of photons",
    "adu": "what the detector read, in its own units",
}
PER_PATTERN = {"expected": "photons_per_pattern", "photons": "photons_per_pattern", "adu": "adu_per_pattern"}
"""What a shard's marker, and the card, call the sum over each pattern."""
COMPRESSORS = {
    # Of counts, most bytes are zero: zstd makes them half as long as lz4 does. Expected photons are half noise to any
    # compressor: lz4 takes a third of the time and 3 % more bytes.
    "photons": BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
    "expected": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
    "adu": BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
}


def target_label(
    target: Target, classes: Sequence[str | int] | NDArray, long_name: str | None = None, **attributes: Any
) -> Label:
    """The label of a target, as a store holds it: numbers as they are, words as indices of the classes.

    Parameters
    ----------
    classes :   (n,) of each frame; what is none of the target's is no answer, -1 among words.
    long_name : by default the target's name.
    """
    told = {"long_name": long_name or target.name.replace("_", " "), **attributes}
    if target.is_number:
        return Label(np.asarray(classes).astype(np.int16), {"units": "1", **told})
    return Label(target.codes(classes).astype(np.int16), {"flag_meanings": list(target.classes), **told})


def split_label(splits: Sequence[str] | NDArray) -> Label:
    """Names of splits (n,), in the order of SPLITS -> the label that every store has. ValueError for others."""
    codes = np.array([SPLITS.index(name) for name in splits], np.int16)
    if (np.diff(codes) < 0).any():
        raise ValueError(f"rows must be ordered by split: {', '.join(SPLITS)}; their patterns are read as slices")
    return Label(codes, {"flag_meanings": list(SPLITS), "long_name": "split of the plan"})


def seed_label(seeds: Sequence[int] | NDArray) -> Label:
    """Seeds (n,) -> the label that every store has: by them the readout draws each pattern's noise."""
    return Label(np.asarray(seeds, np.uint64), {"long_name": "seed of the pattern's random numbers"})


def pixel_maps(live: NDArray[np.floating]) -> dict[str, Label]:
    """Share of each pixel that counts photons (ny, nx), 0 where unusable -> the maps that every store has."""
    return {
        "live": Label(live.astype(np.float32), {"units": "1", "long_name": "share of the pixel that counts photons"}),
        "mask": Label(live == 0, {"long_name": "True where the pixel is unusable"}),
    }


def create(
    folder: Path,
    layout: Layout,
    labels: Mapping[str, Label],
    maps: Mapping[str, Label],
    *,
    title: str = "X-ray diffraction patterns",
) -> None:
    """Make the empty store with all labels; `layout.json` comes last.

    A store that stands with the very same arrays and labels, or with some of these, keeps its shards and is given what
    it lacks: only what is made of them on reading may have changed, and each shard's marker says what it was made from.
    Any other is replaced.

    Parameters
    ----------
    labels : what is known of every frame, (n, ...) each, by name: one for each target (`target_label`), `split`
             (`split_label`), `seed` (`seed_label`), and whatever else there is; of a second axis, `<name>` of xy.
    maps :   what is known of every pixel, image_shape each: `pixel_maps`, and whatever else there is.
    title :  of the Zarr group.

    Raises
    ------
    ValueError for a label that is missing or of another length, and for a readout of anything but photons.
    """
    _check(layout, labels, maps)
    folder.mkdir(parents=True, exist_ok=True)
    for marker in (folder / "dataset.json", folder / "layout.json"):
        marker.unlink(missing_ok=True)
    standing = folder / "patterns.zarr"
    unfinished = folder / f".patterns-{uuid.uuid4().hex[:8]}.zarr"
    try:
        group = zarr.create_group(unfinished, zarr_format=3, attributes=_group_attributes(layout, title))
        _create_images(group, layout, [name for name, label in labels.items() if label.values.ndim == 1])
        _write_labels(group, layout, labels, maps)
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
    write_json(folder / "layout.json", {**layout.as_json(), "files": files})


def _check(layout: Layout, labels: Mapping[str, Label], maps: Mapping[str, Label]) -> None:
    needed = [*(target.name for target in layout.targets), "split", "seed"]
    if missing := [name for name in needed if name not in labels]:
        raise ValueError(f"labels {', '.join(missing)} are missing; a store has one of each target, split and seed")
    if missing := [name for name in ("live", "mask") if name not in maps]:
        raise ValueError(f"maps {', '.join(missing)} are missing; `pixel_maps` makes them of the share that is live")
    for name, label in labels.items():
        if len(label.values) != layout.n_patterns or label.values.ndim > 2:
            raise ValueError(f"label {name} is {label.values.shape}, expected ({layout.n_patterns},) or one axis more")
    for name, label in maps.items():
        if label.values.shape != layout.image_shape:
            raise ValueError(f"map {name} is {label.values.shape}, expected {layout.image_shape}")
    if layout.record != "photons" and not ReadoutConfig.model_validate(layout.readout).is_ideal:
        raise ValueError(f"record {layout.record}: a readout is for counted photons, and is not applied to these")


def _sums(store: Path, layout: Layout) -> dict[str, str]:
    """sha256 of every file of a store but its shards, by path in the store; none where there is no store."""
    shards = store / IMAGES[layout.record][0] / "c"
    files = (file for file in sorted(store.rglob("*")) if file.is_file() and not file.is_relative_to(shards))
    return {str(file.relative_to(store)): sha256(file) for file in files}


def _group_attributes(layout: Layout, title: str) -> dict[str, Any]:
    return {
        "title": title,
        "conventions": "image[y, x]; units as in the attributes; see docs/conventions.md of singlehit",
        "readout": layout.readout,
        "readout_comment": "what the detector makes of the photons: applied on reading, not in what is stored; "
        "of saturation_photons alone, stored counts go no further",
    }


def _create_images(group: zarr.Group, layout: Layout, coordinates: Sequence[str]) -> None:
    name, dtype = IMAGES[layout.record]
    group.create_array(
        name,
        shape=(layout.n_patterns, *layout.image_shape),
        dtype=dtype,
        chunks=(layout.patterns_per_chunk, *layout.image_shape),
        shards=(layout.patterns_per_shard, *layout.image_shape),
        compressors=COMPRESSORS[layout.record],
        # Never recorded: what was not written cannot be taken for dark patterns, and dark patterns have a file.
        fill_value=np.nan if layout.record == "expected" else NOT_A_COUNT,
        dimension_names=("pattern", "y", "x"),
        attributes={
            "units": "adu" if layout.record == "adu" else "photons",
            "long_name": LONG_NAMES[layout.record],
            "coordinates": " ".join(coordinates),
        },
    )


def _write_labels(group: zarr.Group, layout: Layout, labels: Mapping[str, Label], maps: Mapping[str, Label]) -> None:
    axes = {
        axis: Label(
            np.arange(size) - (size - 1) / 2, {"units": "pixel", "long_name": f"{axis} from the middle of the image"}
        )
        for axis, size in zip(("y", "x"), layout.image_shape, strict=True)
    }
    dimensions: dict[str, tuple[str, ...]] = {
        **{name: ("pattern", "xy")[: label.values.ndim] for name, label in labels.items()},
        **dict.fromkeys(maps, ("y", "x")),
        **{axis: (axis,) for axis in axes},
    }
    for name, label in {**labels, **maps, **axes}.items():
        values = label.values
        stored = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            dimension_names=dimensions[name],
            attributes=dict(label.attributes),
        )
        stored[...] = values


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
        PER_PATTERN[layout.record]: [round(float(total), 4) for total in images.sum(axis=(1, 2), dtype=np.float64)],
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


def label_codes(group: zarr.Group, target: Target) -> NDArray[np.int64]:
    """The stored label of a target -> (n,) index into its classes, -1 where there is no answer."""
    stored = np.asarray(array(group, target.name)[:])
    return target.codes(stored) if target.is_number else stored.astype(np.int64)
