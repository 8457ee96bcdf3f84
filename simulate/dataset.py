"""A dataset on disk: a Zarr v3 group of whole shards, with a sha256 for each, that opens only when complete.

    <folder>/patterns.zarr      photons (uint16) or expected_photons (float32), (pattern, y, x), and all labels
    <folder>/layout.json        written when the empty store stands: what it will hold
    <folder>/shards/00000.json  written after each shard: its sha256 and what it was made from
    <folder>/dataset.json       written last: the card, with the sha256 of every shard

One task writes one whole shard and no other touches it, so a shard is there or it is not; writing one again gives the
same bytes. The store opens in xarray: `xr.open_zarr("<folder>/patterns.zarr", consolidated=False)`.

    python -m simulate.dataset verify results/demo/datasets/noise_free
"""

import argparse
import logging
import shutil
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from simulate.detector import NOT_A_COUNT, add_read_noise, round_mantissa
from simulate.files import read_json, sha256, write_json
from simulate.plan import SPLITS

Record = Literal["expected", "photons"]
IMAGES: Mapping[str, tuple[str, str]] = {"expected": ("expected_photons", "float32"), "photons": ("photons", "uint16")}

logger = logging.getLogger(__name__)


class DamagedDatasetError(RuntimeError):
    """A dataset that is incomplete or does not hold the bytes that were written; names every problem."""


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
        """The layout of a dataset folder."""
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
        array = group.create_array(
            name, shape=values.shape, dtype=values.dtype, dimension_names=dimensions, attributes=attributes
        )
        array[...] = values

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


def shard_problem(folder: Path, layout: Layout, shard: int, made_from: str | None = None) -> str | None:
    """What is wrong with a shard, or None when it is exactly what its marker says (and made from `made_from`)."""
    marker_file, file = shard_marker(folder, shard), shard_file(folder, layout, shard)
    rows = layout.rows(shard)
    where = f"shard {shard} (patterns {rows.start}-{rows.stop - 1}, {file.relative_to(folder)})"
    if not marker_file.exists():
        return f"{where} is missing: it was never finished"
    marker = read_json(marker_file)
    if not file.exists():
        return f"{where} is missing: its marker is there, its file is not"
    if file.stat().st_size != marker["bytes"]:
        return f"{where} is damaged: {file.stat().st_size} bytes, expected {marker['bytes']}"
    if sha256(file) != marker["sha256"]:
        return f"{where} is damaged: its sha256 is not the one recorded when it was written"
    if made_from is not None and marker["made_from"] != made_from:
        return f"{where} is out of date: it was made from other inputs or code"
    return None


def label_problems(folder: Path) -> list[str]:
    """What is wrong with the labels and metadata: zarr reads a chunk that is gone as zeros, so each file is checked."""
    return [
        f"{name} (labels or metadata) is {'damaged' if (folder / name).exists() else 'missing'}"
        for name, recorded in read_json(folder / "layout.json")["files"].items()
        if not (folder / name).exists() or sha256(folder / name) != recorded
    ]


def complete(folder: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """Check every shard and write `dataset.json`, the marker of a complete dataset; returns the card.

    Raises
    ------
    DamagedDatasetError naming every shard that is missing or damaged.
    """
    layout = Layout.load(folder)
    shard_problems = [shard_problem(folder, layout, shard) for shard in range(layout.n_shards)]
    _raise_if_any([*label_problems(folder), *shard_problems], folder)
    markers = [read_json(shard_marker(folder, shard)) for shard in range(layout.n_shards)]
    photons = np.concatenate([marker["photons_per_pattern"] for marker in markers])
    group = zarr.open_group(folder / "patterns.zarr", mode="r")
    labels = {name: _array(group, name)[:] for name in ("structure", "hit_multiplicity", "split")}
    counts = []
    for code, structure in enumerate(layout.structures):
        for multiplicity in layout.hit_multiplicities:
            chosen = (labels["structure"] == code) & (labels["hit_multiplicity"] == multiplicity)
            if not chosen.any():
                continue
            by_split = {name: int((chosen & (labels["split"] == n)).sum()) for n, name in enumerate(SPLITS)}
            quantiles = np.quantile(photons[chosen], [0.05, 0.5, 0.95])
            counts.append(
                {
                    "structure": structure,
                    "hit_multiplicity": multiplicity,
                    **by_split,
                    "photons_mean": float(photons[chosen].mean()),
                    "photons_quantiles_5_50_95": [float(value) for value in quantiles],
                }
            )
    full_card = {
        "name": folder.name,
        "layout": layout.__dict__,
        **card,
        "classes": counts,
        "bytes": sum(marker["bytes"] for marker in markers),
        "shards": [{key: marker[key] for key in ("shard", "rows", "bytes", "sha256")} for marker in markers],
    }
    write_json(folder / "dataset.json", full_card)
    return full_card


def _raise_if_any(problems: list[str | None], folder: Path) -> None:
    if found := [problem for problem in problems if problem]:
        raise DamagedDatasetError(
            f"dataset {folder} has {len(found)} problem(s):\n  " + "\n  ".join(found) + "\n"
            f"`python -m simulate.dataset repair {folder}` forgets what is damaged; "
            f"`snakemake {folder}/dataset.json` makes it, and only it, again"
        )


def verify(folder: Path) -> list[str]:
    """Every problem of a dataset, in words; empty when all shards hold the bytes that were written."""
    if not (folder / "layout.json").exists():
        raise FileNotFoundError(f"{folder} holds no dataset: there is no layout.json; expected .../datasets/<name>")
    layout = Layout.load(folder)
    problems = [
        *label_problems(folder),
        *(shard_problem(folder, layout, shard) for shard in range(layout.n_shards)),
    ]
    if not (folder / "dataset.json").exists():
        problems.append("dataset.json is missing: the dataset was never completed")
    else:
        recorded = {entry["shard"]: entry["sha256"] for entry in read_json(folder / "dataset.json")["shards"]}
        for shard in range(layout.n_shards):
            marker = shard_marker(folder, shard)
            if marker.exists() and read_json(marker)["sha256"] != recorded.get(shard):
                problems.append(f"shard {shard} was written again after the dataset was completed, with other bytes")
    return [problem for problem in problems if problem]


def repair(folder: Path) -> list[int]:
    """Forget the shards that are missing or damaged, so that snakemake makes them again; returns their numbers.

    Asked for `dataset.json` alone, snakemake then sees that the bytes are what they were, and networks stand.
    Damaged labels or metadata condemn the whole store: all shards are forgotten.
    """
    layout = Layout.load(folder)
    if label_problems(folder):
        (folder / "layout.json").unlink()
        (folder / "dataset.json").unlink(missing_ok=True)
        for marker in (*(folder / "shards").glob("*.json"), *(folder / "jobs").glob("*.json")):
            marker.unlink()
        return list(range(layout.n_shards))
    bad = [shard for shard in range(layout.n_shards) if shard_problem(folder, layout, shard)]
    for shard in bad:
        shard_marker(folder, shard).unlink(missing_ok=True)
        for job in (folder / "jobs").glob("*.json"):
            if shard in read_json(job)["shards"]:
                job.unlink()
    if bad:
        (folder / "dataset.json").unlink(missing_ok=True)
    return bad


def _array(group: zarr.Group, name: str) -> Any:
    """An array of the store; zarr's own type does not say that indexing one gives numpy arrays."""
    return group[name]


@dataclass(frozen=True)
class Dataset:
    """A complete dataset, open for reading."""

    folder: Path
    card: dict[str, Any]
    layout: Layout
    group: zarr.Group

    @property
    def name(self) -> str:
        """Name of the dataset: the condition under which its patterns were recorded."""
        return self.folder.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(patterns, ny, nx)."""
        return (self.layout.n_patterns, *self.layout.image_shape)

    def __len__(self) -> int:
        return self.layout.n_patterns

    @property
    def record(self) -> Record:
        """`expected` or `photons`."""
        return self.layout.record

    @property
    def structures(self) -> tuple[str, ...]:
        """Ids of the structures; `structure` indexes them."""
        return self.layout.structures

    @property
    def hit_multiplicities(self) -> tuple[int, ...]:
        """The multiplicities of the run; `count` indexes them."""
        return self.layout.hit_multiplicities

    @property
    def read_noise_photons(self) -> float:
        """Standard deviation of the noise that `read` adds."""
        return self.layout.read_noise_photons

    @property
    def patterns_per_shard(self) -> int:
        """Patterns that lie in one file and are best read together."""
        return self.layout.patterns_per_shard

    @cached_property
    def structure(self) -> NDArray[np.int64]:
        """(n,) index into `structures`."""
        return np.asarray(_array(self.group, "structure")[:]).astype(np.int64)

    @cached_property
    def hit_multiplicity(self) -> NDArray[np.int64]:
        """(n,) particles in each shot."""
        return np.asarray(_array(self.group, "hit_multiplicity")[:]).astype(np.int64)

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """(n,) index into `hit_multiplicities`."""
        order = np.argsort(self.hit_multiplicities)
        return order[np.searchsorted(np.sort(self.hit_multiplicities), self.hit_multiplicity)]

    @cached_property
    def seed(self) -> NDArray[np.uint64]:
        """(n,) seed of each pattern's random numbers."""
        return np.asarray(_array(self.group, "seed")[:])

    @cached_property
    def fluence(self) -> NDArray[np.float32]:
        """(n,) [photons/µm²]."""
        return np.asarray(_array(self.group, "fluence")[:])

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(ny, nx) True where unusable."""
        return np.asarray(_array(self.group, "mask")[:])

    @cached_property
    def splits(self) -> dict[str, slice]:
        """Rows of each split: contiguous, and shuffled inside."""
        codes = np.asarray(_array(self.group, "split")[:])
        edges = np.searchsorted(codes, range(len(SPLITS) + 1))
        return {name: slice(int(edges[n]), int(edges[n + 1])) for n, name in enumerate(SPLITS)}

    def read_raw(self, rows: slice) -> NDArray:
        """Patterns as stored, (n, ny, nx) uint16 counts or float32 expectations."""
        return np.asarray(_array(self.group, IMAGES[self.record][0])[rows])

    def read(self, rows: slice) -> NDArray[np.float32]:
        """Patterns as the detector reads them, (n, ny, nx): with each pattern's own read noise, the same every time."""
        raw = self.read_raw(rows)
        if self.record == "expected":
            return raw
        return add_read_noise(raw, self.read_noise_photons, self.seed[rows], self.mask)


def open_dataset(folder: Path | str) -> Dataset:
    """Open a complete dataset.

    Raises
    ------
    FileNotFoundError if there is none; DamagedDatasetError if it is not complete. Bytes are checked by `verify`.
    """
    folder = Path(folder)
    if not (folder / "layout.json").exists():
        raise FileNotFoundError(f"{folder} holds no dataset: there is no layout.json; expected .../datasets/<name>")
    if not (folder / "dataset.json").exists():
        raise DamagedDatasetError(
            f"dataset {folder} is not complete: dataset.json is written last and is not there; run snakemake to "
            f"finish it, or `python -m simulate.dataset verify {folder}` to see what is missing"
        )
    return Dataset(
        folder,
        read_json(folder / "dataset.json"),
        Layout.load(folder),
        zarr.open_group(folder / "patterns.zarr", mode="r"),
    )


def main(argv: list[str] | None = None) -> int:
    """Command line: verify or repair a dataset."""
    parser = argparse.ArgumentParser(
        prog="python -m simulate.dataset",
        description="Check a dataset against the sha256 of every shard.",
        epilog="example: python -m simulate.dataset verify results/demo/datasets/noise_free",
    )
    parser.add_argument("action", choices=("verify", "repair"))
    parser.add_argument("path", type=Path, help="a folder .../datasets/<name>")
    arguments = parser.parse_args(argv)
    try:
        if arguments.action == "repair":
            bad = repair(arguments.path)
            again = f"`snakemake {arguments.path}/dataset.json` (with your --configfile) makes them again"
            print(f"{len(bad)} shard(s) forgotten: {bad}; {again}" if bad else "nothing to repair")
            return 0
        problems = verify(arguments.path)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    for problem in problems:
        print(problem)
    print(
        f"{arguments.path}: {len(problems)} problem(s)" if problems else f"{arguments.path}: every shard is as written"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
