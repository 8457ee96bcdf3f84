"""Writing a dataset: a Zarr v3 group of whole shards, each with a marker that says what it holds.

    <folder>/patterns.zarr      photons (uint16) or expected_photons (float32), (pattern, y, x), and all labels
    <folder>/layout.json        written when the empty store stands: what it will hold
    <folder>/shards/00000.json  written after each shard: its sha256 and what it was made from
    <folder>/dataset.json       written last, by `integrity.complete`: the card, with the sha256 of every shard

One task writes one whole shard and no other touches it, so a shard is there or it is not; writing one again gives the
same bytes.
"""

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from simulate.detector import NOT_A_COUNT, round_mantissa
from simulate.files import read_json, sha256, write_json
from simulate.plan import SPLITS

Record = Literal["expected", "photons"]
IMAGES: Mapping[str, tuple[str, str]] = {"expected": ("expected_photons", "float32"), "photons": ("photons", "uint16")}


@dataclass(frozen=True)
class Layout:
    """What an empty store will hold, as `layout.json` says."""

    n_patterns: int
    image_shape: tuple[int, int]
    record: Record
    patterns_per_chunk: int
    patterns_per_shard: int
    structures: tuple[str, ...]
    hit_multiplicities: tuple[int, ...]
    read_noise_photons: float

    @property
    def n_shards(self) -> int:
        """Shards of the image array; the last may be partly filled."""
        return -(-self.n_patterns // self.patterns_per_shard)

    def rows(self, shard: int) -> slice:
        """Rows of the plan that a shard holds."""
        start = shard * self.patterns_per_shard
        return slice(start, min(start + self.patterns_per_shard, self.n_patterns))

    @classmethod
    def load(cls, folder: Path) -> "Layout":
        """The layout of a dataset folder; FileNotFoundError if the folder holds none."""
        if not (folder / "layout.json").exists():
            raise FileNotFoundError(f"{folder} holds no dataset: there is no layout.json; expected .../datasets/<name>")
        values = read_json(folder / "layout.json")
        del values["files"]
        for name in ("image_shape", "structures", "hit_multiplicities"):
            values[name] = tuple(values[name])
        return cls(**values)


def create(
    folder: Path, layout: Layout, plan: pd.DataFrame, fluence: NDArray[np.float64], mask: NDArray[np.bool_]
) -> None:
    """Make the empty store with all labels, replacing whatever stood there; `layout.json` comes last.

    Parameters
    ----------
    plan :    rows as from `plan.draw`, len(plan) == layout.n_patterns.
    fluence : (n_patterns,) of each shot [photons/µm²].
    mask :    image_shape, True where unusable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for marker in (folder / "dataset.json", folder / "layout.json"):
        marker.unlink(missing_ok=True)
    shutil.rmtree(folder / "shards", ignore_errors=True)
    unfinished = folder / f".patterns-{uuid.uuid4().hex[:8]}.zarr"
    try:
        group = zarr.create_group(unfinished, zarr_format=3, attributes=_group_attributes(layout))
        _create_images(group, layout)
        _write_labels(group, layout, plan, fluence, mask)
        shutil.rmtree(folder / "patterns.zarr", ignore_errors=True)
        unfinished.rename(folder / "patterns.zarr")
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    files = {
        str(file.relative_to(folder)): sha256(file)
        for file in sorted((folder / "patterns.zarr").rglob("*"))
        if file.is_file()
    }
    write_json(folder / "layout.json", {**layout.__dict__, "files": files})


def _group_attributes(layout: Layout) -> dict[str, Any]:
    return {
        "title": "Simulated X-ray single-particle diffraction patterns",
        "conventions": "image[y, x]; units as in the attributes; see docs/conventions.md of singlehit",
        "read_noise_photons": layout.read_noise_photons,
        "read_noise_comment": "standard deviation of Gaussian noise per pixel: added on reading, not in the counts",
    }


def _create_images(group: zarr.Group, layout: Layout) -> None:
    name, dtype = IMAGES[layout.record]
    group.create_array(
        name,
        shape=(layout.n_patterns, *layout.image_shape),
        dtype=dtype,
        chunks=(layout.patterns_per_chunk, *layout.image_shape),
        shards=(layout.patterns_per_shard, *layout.image_shape),
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        # Never recorded: what was not written cannot be taken for dark patterns, and dark patterns have a file.
        fill_value=NOT_A_COUNT if layout.record == "photons" else np.nan,
        dimension_names=("pattern", "y", "x"),
        attributes={
            "units": "photons",
            "long_name": "mean number of photons" if layout.record == "expected" else "number of photons",
            "coordinates": "structure hit_multiplicity split fluence seed",
        },
    )


def _write_labels(
    group: zarr.Group, layout: Layout, plan: pd.DataFrame, fluence: NDArray[np.float64], mask: NDArray[np.bool_]
) -> None:
    def add(name: str, values: NDArray, dimensions: tuple[str, ...], **attributes: Any) -> None:
        label = group.create_array(
            name, shape=values.shape, dtype=values.dtype, dimension_names=dimensions, attributes=attributes
        )
        label[...] = values

    def codes(column: str, meanings: tuple[str, ...]) -> NDArray[np.int16]:
        return pd.Categorical(plan[column], categories=list(meanings)).codes.astype(np.int16)

    structures, splits = layout.structures, SPLITS
    per_pattern = ("pattern",)
    add("structure", codes("structure", structures), per_pattern, flag_meanings=list(structures), long_name="structure")
    add("split", codes("split", splits), per_pattern, flag_meanings=list(splits), long_name="split of the plan")
    add(
        "hit_multiplicity",
        plan["hit_multiplicity"].to_numpy(np.int16),
        per_pattern,
        units="1",
        long_name="particles in the shot",
    )
    add("seed", plan["seed"].to_numpy(np.uint64), per_pattern, long_name="seed of the pattern's random numbers")
    add("fluence", fluence.astype(np.float32), per_pattern, units="photons/um^2", long_name="fluence of the shot")
    add("mask", mask, ("y", "x"), long_name="True where the pixel is unusable")
    for axis, size in zip(("y", "x"), layout.image_shape, strict=True):
        add(axis, np.arange(size) - (size - 1) / 2, (axis,), units="pixel", long_name=f"{axis} from the beam")


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
    shard_marker(folder, shard).unlink(missing_ok=True)
    file = shard_file(folder, layout, shard)
    file.unlink(missing_ok=True)  # zarr would read what is there first, and it may be damaged
    array = zarr.open_array(folder / "patterns.zarr" / name, mode="r+")
    array[rows] = round_mantissa(images) if layout.record == "expected" else images
    marker = {
        "shard": shard,
        "rows": [rows.start, rows.stop],
        "bytes": file.stat().st_size,
        "sha256": sha256(file),
        "made_from": made_from,
        "photons_per_pattern": [round(float(total), 4) for total in images.sum(axis=(1, 2), dtype=np.float64)],
    }
    write_json(shard_marker(folder, shard), marker)
    return marker


def array(group: zarr.Group, name: str) -> Any:
    """An array of a store; zarr's own type does not say that indexing one gives numpy arrays."""
    return group[name]
